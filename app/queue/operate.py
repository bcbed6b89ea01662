"""What people do to single tasks: cancel, retry, delete."""

from __future__ import annotations

from app.queue import history
from app.queue.changes import new_change_id
from app.queue.errors import Conflict, NotFound
from app.queue.holding import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Result, Row, Statement
    from app.site import Site


def cancel(site: Site, task_id: int) -> Row:
    """Cancel a waiting task; ask the worker of a claimed one to stop at its next heartbeat.

    Cancelling twice is fine. Raises NotFound; Conflict when the task has ended otherwise.
    """
    sql = site.db.dialect
    change_id = new_change_id()
    waiting = (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'cancelled', due_at = NULL, "
        f"change_id = {change_id}, completed_at = {sql.now} "
        "WHERE id = :id AND status IN ('pending', 'scheduled')"
    )
    claimed = (
        f"UPDATE tasks {sql.by_primary_key} SET cancel_requested = 1 "
        "WHERE id = :id AND status = 'claimed'"
    )
    results = _change(
        site,
        task_id,
        [(waiting, {"id": task_id}), *_trail(site, task_id, change_id), (claimed, {"id": task_id})],
    )
    row = _row_or_not_found(results[-1], task_id)
    if row["status"] not in ("cancelled", "claimed"):
        raise Conflict(f"Task {task_id} is {row['status']} already: there is nothing to cancel")
    return row


def retry(site: Site, task_id: int) -> Row:
    """Make a failed, cancelled or scheduled task pending now.

    A task that had ended gets as many attempts more as it had; ``attempts`` goes on counting,
    because a worker of an earlier life may still send its attempt's number.

    Raises NotFound; Conflict when the task is claimed or completed.
    """
    sql = site.db.dialect
    # SQLite reads the old values on the right, MySQL those already assigned: attempts is never
    # assigned, and status comes last.
    change_id = new_change_id()
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET change_id = {change_id}, "
        "max_attempts = CASE WHEN status = 'scheduled' THEN max_attempts ELSE attempts + "
        "COALESCE((SELECT task_types.max_attempts FROM task_types "
        "WHERE task_types.id = tasks.type_id), :max_attempts) END, "
        "due_at = NULL, completed_at = NULL, claimed_by = NULL, cancel_requested = 0, "
        "status = 'pending' WHERE id = :id AND status IN ('failed', 'cancelled', 'scheduled')"
    )
    values = {"id": task_id, "max_attempts": site.settings.max_task_attempts}
    results = _change(site, task_id, [(update, values), *_trail(site, task_id, change_id, "retry")])
    row = _row_or_not_found(results[-1], task_id)
    if row["status"] != "pending":
        raise Conflict(
            f"Task {task_id} is {row['status']}: only failed, cancelled and waiting tasks "
            "can be retried"
        )
    return row


def delete(site: Site, task_id: int) -> None:
    """Remove a task and its trail. Raises NotFound; Conflict while a worker holds it."""
    sql = site.db.dialect
    statements: list[Statement] = [
        (
            f"SELECT id FROM tasks {sql.by_primary_key} WHERE id = :id {sql.lock}",
            {"id": task_id},
        ),
        (
            "DELETE FROM task_history WHERE task_id = :id AND EXISTS "
            "(SELECT 1 FROM tasks WHERE id = :id AND status <> 'claimed')",
            {"id": task_id},
        ),
        (
            "DELETE FROM tasks WHERE id = :id AND status <> 'claimed'",
            {"id": task_id},
        ),
    ]
    results = _change(site, task_id, statements)
    _row_or_not_found(results[0], task_id)
    if results[-1].rows:
        raise Conflict(
            f"Task {task_id} is claimed by a worker: cancel it, and delete it when it has ended"
        )


def _change(site: Site, task_id: int, statements: Sequence[Statement]) -> list[Result]:
    """The statements in one transaction, with the task as it is afterwards as last result."""
    look = look_up(site.db.dialect, [task_id])
    return site.db.run(
        lambda connection: connection.transact([*statements, look]), repeatable=False
    )


def _trail(site: Site, task_id: int, change_id: int, message: str | None = None) -> list[Statement]:
    condition = f"id = {int(task_id)} AND change_id = {change_id}"
    now = site.db.dialect.now
    return history.of_tasks(site.settings, now, condition, worker="NULL", message=message)


def _row_or_not_found(result: Result, task_id: int) -> Row:
    if not result.rows:
        raise NotFound(f"There is no task {task_id}")
    return result.rows[0]
