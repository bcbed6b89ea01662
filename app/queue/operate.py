"""What people do to single tasks: cancel, retry, delete."""

from __future__ import annotations

from app.db.errors import Duplicate, TryAgain
from app.queue import dedupe, history
from app.queue.change_id import new_change_id
from app.queue.errors import Conflict, NotFound
from app.queue.fencing import look_up, transact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.db.connection import Connection, Row, Statement
    from app.site import Site

RETRYABLE_STATUSES = ("failed", "cancelled", "scheduled")
RETRYABLE = "status IN ('failed', 'cancelled', 'scheduled')"


def cancel(site: Site, task_id: int) -> Row:
    """Cancel a waiting task; ask the worker of a claimed one to stop at its next heartbeat.

    Cancelling twice is fine. Raises NotFound; Conflict when the task has ended otherwise.
    """
    rows = site.db.run(lambda connection: _cancel(connection, site, task_id))
    row = _row_or_not_found(rows, task_id)
    if row["status"] not in ("cancelled", "claimed"):
        raise Conflict(f"Task {task_id} is {row['status']} already: there is nothing to cancel")
    return row


def _cancel(connection: Connection, site: Site, task_id: int) -> dict[int, Row]:
    sql = connection.dialect
    change_id = new_change_id()
    values = {"id": task_id}
    waiting = (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'cancelled', due_at = NULL, "
        f"change_id = {change_id}, completed_at = {sql.now} "
        "WHERE id = :id AND status IN ('pending', 'scheduled')"
    )
    claimed = (
        f"UPDATE tasks {sql.by_primary_key} SET cancel_requested = 1, change_id = {change_id} "
        "WHERE id = :id AND status = 'claimed' AND cancel_requested = 0"
    )
    statements = [(waiting, values), *_note(site, task_id, change_id), (claimed, values)]
    updates = [(task_id, change_id, 0), (task_id, change_id, len(statements) - 1)]
    return transact(connection, statements, updates)[1]


def retry(site: Site, task_id: int) -> Row:
    """Make a failed, cancelled or scheduled task pending now.

    A task that had ended gets as many attempts more as it had; ``attempts`` goes on counting,
    because a worker of an earlier life may still send its attempt's number.

    Raises NotFound; Conflict when the task is claimed or completed.
    """
    try:
        rows = site.db.run(lambda connection: _retry(connection, site, task_id), repeatable=False)
    except Duplicate:
        raise Conflict(
            f"A newer task with the same dedupe key as task {task_id} has not ended: "
            "leave the work to that one, or cancel it first"
        ) from None
    row = _row_or_not_found(rows, task_id)
    if row["status"] != "pending":
        raise Conflict(
            f"Task {task_id} is {row['status']}: only failed, cancelled and waiting tasks "
            "can be retried"
        )
    return row


def _retry(connection: Connection, site: Site, task_id: int) -> dict[int, Row]:
    """A task that had to give its key to a later one takes it back, if that one has ended: there
    are never two unfinished tasks of one key.
    """
    sql = connection.dialect
    change_id = new_change_id()
    values: dict[str, Any] = {"id": task_id, "max_attempts": site.settings.max_task_attempts}
    look = f"SELECT type_id, former_dedupe_key FROM tasks WHERE id = :id AND {RETRYABLE}"
    found = connection.query(look, values)
    given_up = [row for row in found if row["former_dedupe_key"] is not None]
    statements: list[Statement] = []
    takes_key, as_seen = "", "former_dedupe_key IS NULL"
    if given_up:
        key = {"key": given_up[0]["former_dedupe_key"], "type_id": given_up[0]["type_id"]}
        statements = [dedupe.give_up_key("dedupe_key = :key AND type_id = :type_id", key, "active")]
        takes_key = "dedupe_key = :key, former_dedupe_key = NULL, "
        as_seen = "former_dedupe_key = :key"
        values.update(key)
    # SQLite reads the old values on the right, MySQL those already assigned: attempts is never
    # assigned, and status comes last.
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET change_id = {change_id}, {takes_key}"
        "max_attempts = CASE WHEN status = 'scheduled' THEN max_attempts ELSE attempts + "
        "COALESCE((SELECT task_types.max_attempts FROM task_types "
        "WHERE task_types.id = tasks.type_id), :max_attempts) END, "
        "due_at = NULL, completed_at = NULL, claimed_by = NULL, cancel_requested = 0, "
        f"status = 'pending' WHERE id = :id AND {RETRYABLE} AND {as_seen}"
    )
    position = len(statements)
    statements += [(update, values), *_note(site, task_id, change_id, "retry")]
    results, rows = transact(connection, statements, [(task_id, change_id, position)])
    if not results[position].changed and rows.get(task_id, {}).get("status") in RETRYABLE_STATUSES:
        raise TryAgain(f"task {task_id} changed between the look at it and its retry")
    return rows


def delete(site: Site, task_id: int) -> None:
    """Remove a task and its history. Raises NotFound; Conflict while a worker holds it."""
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
    found, left = site.db.run(
        lambda connection: _delete(connection, task_id, statements), repeatable=False
    )
    if not found:
        raise NotFound(f"Task {task_id} not found")
    if left:
        raise Conflict(
            f"Task {task_id} is claimed by a worker: cancel it, and delete it when it has ended"
        )


def _delete(
    connection: Connection, task_id: int, statements: Sequence[Statement]
) -> tuple[list[Row], list[Row]]:
    """The task before and after."""
    results = connection.transact(statements, [look_up(connection.dialect, [task_id])])
    found, left = results[0].rows, results[-1].rows
    if left and left[0]["status"] != "claimed":
        raise TryAgain(f"the removal of task {task_id} was undone by a rival node")
    return found, left


def _note(site: Site, task_id: int, change_id: int, message: str | None = None) -> list[Statement]:
    condition = f"id = {int(task_id)} AND change_id = {change_id}"
    sql = site.db.dialect
    return history.of_tasks(site.settings, sql, condition, worker="NULL", message=message)


def _row_or_not_found(rows: Mapping[int, Row], task_id: int) -> Row:
    if task_id not in rows:
        raise NotFound(f"Task {task_id} not found")
    return rows[task_id]
