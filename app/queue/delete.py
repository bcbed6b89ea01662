"""Deleting a task with its history and tags."""

from __future__ import annotations

from app.errors import Conflict, NotFound, TryAgain
from app.queue import audit, task_tags
from app.queue.fencing import look_up
from app.queue.statistics.deleted import leave_statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Row, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site


def delete(
    site: Site, task_id: int, access: Access | None = None, actor: Actor | None = None
) -> None:
    """Remove a task, its history and tags. Raises NotFound; Conflict while a worker holds it."""
    found, left = site.db.run(
        lambda connection: _delete(connection, int(task_id), access, actor), repeatable=False
    )
    if not found:
        raise NotFound(f"Task {task_id} not found")
    if left:
        raise Conflict(
            f"Task {task_id} is claimed by a worker: cancel it, and delete it when it has ended"
        )


def _delete(
    connection: Connection, task_id: int, access: Access | None, actor: Actor | None
) -> tuple[list[Row], list[Row]]:
    """The task before and after."""
    sql = connection.dialect
    visible, own = ("", {}) if access is None else access.tasks()
    lock = f"SELECT id, status FROM tasks {sql.by_primary_key} WHERE id = :id{visible} {sql.lock}"
    found = connection.begin([(lock, {"id": task_id, **own})])[0].rows
    if not found:
        connection.rollback()
        return [], []
    ids = [row["id"] for row in found if row["status"] != "claimed"]
    left_out = leave_statistics(connection, ids)
    noted = audit.record(sql, actor if ids else None, "task.delete", str(task_id))
    statements = [*_delete_statements(task_id), *left_out, *noted]
    look = look_up(sql, [task_id])
    if connection.is_cluster:
        connection.commit_apart(statements)
        left = connection.query(*look)
    else:
        left = connection.commit(statements, [look])[-1].rows
    if left and left[0]["status"] != "claimed":
        raise TryAgain(f"the removal of task {task_id} was undone by a rival node")
    return found, left


def _delete_statements(task_id: int) -> list[Statement]:
    values = {"id": task_id}
    return [
        (
            "DELETE FROM task_history WHERE task_id = :id AND EXISTS "
            "(SELECT 1 FROM tasks WHERE id = :id AND status <> 'claimed')",
            values,
        ),
        ("DELETE FROM tasks WHERE id = :id AND status <> 'claimed'", values),
        task_tags.delete(task_id),
    ]
