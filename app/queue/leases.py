"""Keeping a claim: heartbeats and progress extend its lease."""

from __future__ import annotations

from app.queue import last_seen
from app.queue.batch import Batch, Change, Changed, ChangeResult
from app.queue.fencing import Fence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.fencing import LeaseRef
    from app.site import Site


class Heartbeat(Change):
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
        self.kind = "heartbeat" if progress is None else "progress"
        self.lease_ref = lease_ref
        self.lease = lease
        self.progress = progress
        self.message = message

    def long_texts(self) -> list[str | None]:
        return [self.message]

    @staticmethod
    def statements(site: Site, changes: Sequence[Heartbeat], change_id: int) -> list[Statement]:
        return [_extend_leases(site.db.dialect, changes, change_id)]


def _extend_leases(sql: Dialect, heartbeats: Sequence[Heartbeat], change_id: int) -> Statement:
    """Extends the leases; all of the heartbeats note a progress, or none does."""
    tasks = Fence([each.lease_ref for each in heartbeats], change_id)
    lease = tasks.own("lease", [each.lease for each in heartbeats], "lease")
    noted = ""
    if heartbeats[0].progress is not None:
        progress = tasks.own("progress", [each.progress for each in heartbeats])
        message = tasks.own("progress_message", [each.message for each in heartbeats])
        noted = f", progress = {progress}, progress_message = {message}"
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET due_at = {sql.after(lease)}, "
        f"lease = {lease}, change_id = :change_id{noted} WHERE {tasks.condition()}"
    )
    return update, tasks.values


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


def heartbeat_many(site: Site, heartbeats: Sequence[Heartbeat]) -> list[ChangeResult]:
    """Extend many leases in one round trip; each is kept or refused on its own."""
    batch = Batch(heartbeats)
    return site.db.run(lambda connection: _keep(connection, site, heartbeats, batch))


def _keep_one(site: Site, heartbeat: Heartbeat) -> Row:
    return heartbeat_many(site, [heartbeat])[0].row_or_refusal()


def _keep(
    connection: Connection, site: Site, heartbeats: Sequence[Heartbeat], batch: Batch
) -> list[ChangeResult]:
    worker_ids = sorted({each.lease_ref.worker_id or "" for each in heartbeats} - {""})
    seen = [last_seen.touch_last_seen_if_due(connection.dialect, each) for each in worker_ids]
    changed = batch.send(connection, site, seen)
    return [_judge(heartbeat, each) for heartbeat, each in zip(heartbeats, changed)]


def _judge(heartbeat: Heartbeat, changed: Changed) -> ChangeResult:
    lease_ref = heartbeat.lease_ref
    refusal = None if changed.is_done else lease_ref.refusal(changed.row)
    return ChangeResult(lease_ref.task_id, changed.row, refusal)
