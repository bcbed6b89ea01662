"""Releasing: a worker gives a task back undone, and the attempt does not count."""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import TryAgain
from app.queue import history
from app.queue.change_id import new_change_id
from app.queue.settle import Outcome, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Connection, Row, Statement
    from app.queue.fencing import LeaseRef
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

    def statements(self, site: Site, change_id: int) -> list[Statement]:
        values = {**self.lease_ref.values(change_id), "delay": self.delay}
        changed = self.lease_ref.changed(change_id)
        return _statements(site, self.lease_ref.condition, changed, values)


def release(site: Site, lease_ref: LeaseRef, delay: float = 0.0) -> Row:
    """Hand the task back, claimable again after ``delay`` seconds; its row after that.

    Doing it again gives the same result. Raises NotFound, NotClaimed, LeaseLost, NotOwner.
    """
    return settle(site, [Release(lease_ref, delay)])[0].row_or_refusal()


def release_all(site: Site, worker_id: str) -> int:
    """Hand back everything that the worker holds; how many tasks that were."""
    released = 0
    while True:
        found, count = site.db.run(lambda connection: _release_batch(connection, site, worker_id))
        released += count
        if found < BATCH:
            return released


def _release_batch(connection: Connection, site: Site, worker_id: str) -> tuple[int, int]:
    """How many tasks it found, and how many of them the worker still held when it came to it."""
    sql = connection.dialect
    values = {"holder": worker_id, "change_id": new_change_id(), "delay": 0}
    look = (
        f"SELECT id FROM tasks {sql.by_index('tasks_claim')} "
        f"WHERE status = 'claimed' AND claimed_by = :holder LIMIT {BATCH}"
    )
    ids = sorted(row["id"] for row in connection.query(look, values))
    if not ids:
        return 0, 0
    these = f"id IN ({id_list(ids)})"
    held = f"{these} AND status = 'claimed' AND claimed_by = :holder"
    changed = f"{these} AND change_id = {values['change_id']}"
    results = connection.transact(_statements(site, held, changed, values))
    left = f"SELECT id FROM tasks {sql.by_primary_key} WHERE {held}"
    if connection.is_cluster and connection.query(left, values):
        raise TryAgain(f"releases for {worker_id!r} were undone by a rival node")
    return len(ids), results[0].changed


def _statements(site: Site, held: str, changed: str, values: dict[str, Any]) -> list[Statement]:
    """Release the tasks for which ``held`` is true, and tell of those for which ``changed`` is
    true after that.
    """
    sql = site.db.dialect
    kept = "cancel_requested = 0"
    # The columns that the expressions read are assigned last: MySQL goes from left to right.
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET "
        "status = CASE WHEN cancel_requested = 1 THEN 'cancelled' "
        "WHEN :delay > 0 THEN 'scheduled' ELSE 'pending' END, "
        f"due_at = CASE WHEN {kept} AND :delay > 0 THEN {sql.after(':delay')} ELSE NULL END, "
        f"completed_at = CASE WHEN {kept} THEN NULL ELSE {sql.now} END, "
        # The attempt's number is its fence and never comes back: the limit makes room instead.
        "releases = releases + 1, max_attempts = max_attempts + 1, lease = NULL, "
        "change_id = :change_id, last_outcome = 'released', cancel_requested = 0 "
        f"WHERE {held}"
    )
    noted = history.record(site.settings, sql, changed, message=history.RELEASED)
    return [(update, values), *noted]
