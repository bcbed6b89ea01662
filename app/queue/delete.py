"""Deleting a task with its history and tags."""

from __future__ import annotations

from app.errors import Conflict, NotFound, TryAgain
from app.queue import task_tags
from app.queue.fencing import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Row, Statement
    from app.site import Site


def delete(site: Site, task_id: int) -> None:
    """Remove a task, its history and tags. Raises NotFound; Conflict while a worker holds it."""
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
        task_tags.delete(task_id),
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
