"""Keeping a claim: heartbeats and progress extend its lease."""

from __future__ import annotations

from app.queue.holding import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Row
    from app.queue.holding import Hold
    from app.site import Site

EXTEND = "COALESCE(:lease, lease)"


def heartbeat(site: Site, hold: Hold, lease: float | None = None) -> Row:
    """Extend the lease to ``lease`` seconds from now, or to the length the claim began with.

    Returns the task's row. Raises NotFound, NotClaimed, LeaseLost, NotOwner.
    """
    return _extend(site, hold, "", {"lease": lease})


def report_progress(site: Site, hold: Hold, progress: float, message: str | None = None) -> Row:
    """Note how far the work is (0 to 100) and extend the lease. Raises as ``heartbeat``."""
    values = {"lease": None, "progress": progress, "progress_message": message}
    return _extend(
        site, hold, ", progress = :progress, progress_message = :progress_message", values
    )


def _extend(site: Site, hold: Hold, assignments: str, values: dict[str, Any]) -> Row:
    sql = site.db.dialect
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET due_at = {sql.after(EXTEND)}, "
        f"lease = {EXTEND}{assignments} WHERE {hold.condition}"
    )
    statements = [(update, {**hold.values, **values}), look_up(sql, [hold.task_id])]
    changed, found = site.db.run(lambda connection: connection.send(statements))
    row = found.rows[0] if found.rows else None
    if row is None or not changed.changed:
        raise hold.refusal(row)
    return row
