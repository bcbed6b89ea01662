"""Keeping a claim: heartbeats and progress extend its lease."""

from __future__ import annotations

from app.queue import last_seen
from app.queue.fencing import transact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.errors import QueueError
    from app.queue.fencing import LeaseRef
    from app.site import Site

EXTEND = "COALESCE(:lease, lease)"


class Heartbeat:
    """A heartbeat for one claimed task.

    The lease then ends ``lease`` seconds from now; None leaves it at the length it has.
    ``progress`` (0 to 100) replaces what was noted before, and its ``message`` with it.
    """

    def __init__(
        self,
        lease_ref: LeaseRef,
        lease: float | None = None,
        progress: float | None = None,
        message: str | None = None,
    ) -> None:
        self.lease_ref = lease_ref
        self.lease = lease
        self.progress = progress
        self.message = message

    def statement(self, sql: Dialect) -> Statement:
        values = {**self.lease_ref.values, "lease": self.lease}
        noted = ""
        if self.progress is not None:
            noted = ", progress = :progress, progress_message = :progress_message"
            values.update(progress=self.progress, progress_message=self.message)
        update = (
            f"UPDATE tasks {sql.by_primary_key} SET due_at = {sql.after(EXTEND)}, "
            f"lease = {EXTEND}, change_id = :change_id{noted} WHERE {self.lease_ref.condition}"
        )
        return update, values


class KeepResult:
    """What one heartbeat did: the task's ``row`` after it, or the ``refusal`` if it failed."""

    def __init__(self, heartbeat: Heartbeat, row: Row, refusal: QueueError | None) -> None:
        self.heartbeat = heartbeat
        self.row = row
        self.refusal = refusal


def heartbeat(site: Site, lease_ref: LeaseRef, lease: float | None = None) -> Row:
    """Extend the lease to ``lease`` seconds from now, or to the length the claim began with.

    Returns the task's row. Raises NotFound, NotClaimed, LeaseLost, NotOwner.
    """
    return _keep_one(site, Heartbeat(lease_ref, lease))


def report_progress(
    site: Site, lease_ref: LeaseRef, progress: float, message: str | None = None
) -> Row:
    """Note how far the work is (0 to 100) and extend the lease. Raises as ``heartbeat``."""
    return _keep_one(site, Heartbeat(lease_ref, None, progress, message))


def heartbeat_many(site: Site, heartbeats: Sequence[Heartbeat]) -> list[KeepResult]:
    """Extend many leases in one round trip; each is kept or refused on its own."""
    return site.db.run(lambda connection: _keep(connection, heartbeats))


def _keep_one(site: Site, heartbeat: Heartbeat) -> Row:
    result = heartbeat_many(site, [heartbeat])[0]
    if result.refusal is not None:
        raise result.refusal
    return result.row


def _keep(connection: Connection, heartbeats: Sequence[Heartbeat]) -> list[KeepResult]:
    sql = connection.dialect
    # In the order of ids, so that two batches with the same tasks wait for each other instead
    # of deadlocking.
    ordered = sorted(heartbeats, key=lambda each: each.lease_ref.task_id)
    for heartbeat in ordered:
        heartbeat.lease_ref.renew()
    statements = [each.statement(sql) for each in ordered]
    for worker_id in sorted({each.lease_ref.worker_id or "" for each in ordered} - {""}):
        statements.append(last_seen.touch_last_seen_if_due(sql, worker_id))
    updates = [
        (each.lease_ref.task_id, each.lease_ref.change_id, at) for at, each in enumerate(ordered)
    ]
    results, rows = transact(connection, statements, updates)
    kept = {
        id(heartbeat): _judge(
            heartbeat, bool(result.changed), rows.get(heartbeat.lease_ref.task_id)
        )
        for heartbeat, result in zip(ordered, results)
    }
    return [kept[id(heartbeat)] for heartbeat in heartbeats]


def _judge(heartbeat: Heartbeat, changed: bool, row: Row | None) -> KeepResult:
    if row is not None and changed:
        return KeepResult(heartbeat, row, None)
    return KeepResult(heartbeat, row or {}, heartbeat.lease_ref.refusal(row))
