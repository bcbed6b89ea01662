"""Releasing: a worker gives a task back undone, and the attempt does not count."""

from __future__ import annotations

from app.queue import history
from app.queue.holding import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Row
    from app.queue.holding import Hold
    from app.site import Site


def release(site: Site, hold: Hold, delay: float = 0.0) -> Row:
    """Hand the task back, claimable again after ``delay`` seconds; its row after that.

    A task whose cancel was asked for ends as cancelled. Raises NotFound, NotClaimed, LeaseLost,
    NotOwner.
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
        "attempts = attempts - 1, claimed_by = NULL, lease = NULL, change_id = :change_id, "
        "cancel_requested = 0 "
        f"WHERE {hold.condition}"
    )
    trail = history.of_tasks(
        site.settings,
        sql.now,
        hold.changed,
        {"holder": hold.worker_id},
        worker=":holder",
        attempt="attempts + 1",
        message="released",
    )
    statements = [(update, {**hold.values, "delay": delay}), *trail, look_up(sql, [hold.task_id])]
    results = site.db.run(lambda connection: connection.transact(statements), repeatable=False)
    row = results[-1].rows[0] if results[-1].rows else None
    if row is None or not results[0].changed:
        raise hold.refusal(row)
    return row
