"""Releasing: a worker gives a task back undone, and the attempt does not count."""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import NotOwner
from app.queue import history, lanes
from app.queue.batch import Batch
from app.queue.fencing import Fence, LeaseRef
from app.queue.lanes import READY_SLOT, READY_STATUS
from app.queue.settle import Outcome, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.access import Access
    from app.site import Site

BATCH = 100
"""How many tasks a worker that leaves gives back in one transaction."""


class Release(Outcome):
    """Hand the task back, claimable again after ``delay`` seconds.

    A task whose cancel was asked for ends as cancelled.
    """

    kind = "released"

    def __init__(self, lease_ref: LeaseRef, delay: float = 0.0) -> None:
        self.lease_ref = lease_ref
        self.delay = delay

    @staticmethod
    def statements(site: Site, changes: Sequence[Release], change_id: int) -> list[Statement]:
        return release_tasks(site, changes, change_id)


def release(site: Site, lease_ref: LeaseRef, delay: float = 0.0) -> Row:
    """Hand the task back, claimable again after ``delay`` seconds; its row after that.

    Doing it again gives the same result. Raises NotFound, NotClaimed, LeaseLost, NotOwner.
    """
    return settle(site, [Release(lease_ref, delay)])[0].row_or_refusal()


def release_all(site: Site, worker_id: str, access: Access | None = None) -> int:
    """Hand back everything that the worker holds; how many tasks that were.

    Raises NotOwner when some of it was claimed with a key that the caller may not settle for.
    """
    released = 0
    while True:
        found, count = site.db.run(
            lambda connection: _release_batch(connection, site, worker_id, access)
        )
        released += count
        if found < BATCH:
            return released


def _release_batch(
    connection: Connection, site: Site, worker_id: str, access: Access | None
) -> tuple[int, int]:
    """How many tasks it found, and how many of them the worker still held when it came to it."""
    sql = connection.dialect
    # What the key does not see stays with the worker, and must not be found again and again.
    visible, own = ("", {}) if access is None or access.settles_only_own else access.tasks()
    look = (
        f"SELECT id, claimed_key FROM tasks {sql.by_index('tasks_claim')} "
        f"WHERE status = 'claimed' AND claimed_by = :holder{visible} LIMIT {BATCH}"
    )
    held = connection.query(look, {"holder": worker_id, **own})
    if not held:
        return 0, 0
    lease_refs = [LeaseRef(row["id"], worker_id, None, access) for row in held]
    if not all(each.owns(row) for each, row in zip(lease_refs, held)):
        raise NotOwner(
            f"Worker {worker_id!r} holds tasks that were claimed with another API key: "
            "send the key that claimed them"
        )
    batch = Batch([Release(each) for each in lease_refs])
    return len(held), sum(each.is_done for each in batch.send(connection, site))


def release_tasks(site: Site, releases: Sequence[Release], change_id: int) -> list[Statement]:
    """Release each of these tasks while its lease reference holds, and tell of those released."""
    sql = site.db.dialect
    tasks = Fence([each.lease_ref for each in releases], change_id)
    delay = tasks.own("delay", [each.delay for each in releases])
    kept = "cancel_requested = 0"
    # The columns that the expressions read are assigned last: MySQL goes from left to right.
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET "
        "status = CASE WHEN cancel_requested = 1 THEN 'cancelled' "
        f"WHEN {delay} > 0 THEN 'scheduled' ELSE {READY_STATUS} END, "
        f"key_slot = CASE WHEN {kept} AND NOT {delay} > 0 THEN {READY_SLOT} END, "
        f"due_at = CASE WHEN {kept} AND {delay} > 0 THEN {sql.after(delay)} ELSE NULL END, "
        f"completed_at = CASE WHEN {kept} THEN NULL ELSE {sql.now} END, "
        # The attempt's number is its fence and never comes back: the limit makes room instead.
        "releases = releases + 1, max_attempts = max_attempts + 1, lease = NULL, "
        f"ready_at = {sql.now}, "
        "change_id = :change_id, last_outcome = 'released', cancel_requested = 0 "
        f"WHERE {tasks.condition()}"
    )
    told = history.record_each(
        site.settings, sql, tasks.task_ids, change_id, [history.RELEASED] * len(releases)
    )
    due = lanes.make_due(sql, tasks.task_ids, change_id)
    return [(update, tasks.values), *told, due, *_note_waiting(sql, releases, change_id)]


def _note_waiting(sql: Dialect, releases: Sequence[Release], change_id: int) -> list[Statement]:
    """Those that wait for a time now, and had failed before."""
    delayed = [each.lease_ref.task_id for each in releases if each.delay > 0]
    if not delayed:
        return []
    from app.queue import waiting_again  # only delays need it

    released = f"id IN ({id_list(delayed)}) AND change_id = {change_id}"
    return [waiting_again.record(sql, released)]
