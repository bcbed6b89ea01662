"""Reading one task and its history."""

from __future__ import annotations

from app.queue import view
from app.queue.errors import NotFound
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.site import Site


def get(site: Site, task_id: int) -> dict[str, Any]:
    """Everything about one task. Raises NotFound."""
    columns = ", ".join(f"tasks.{column}" for column in view.COLUMNS)
    sql = (
        f"SELECT {columns}, task_types.name AS type_name FROM tasks "
        "JOIN task_types ON task_types.id = tasks.type_id WHERE tasks.id = :id"
    )
    rows = site.db.run(lambda connection: connection.query(sql, {"id": task_id}))
    if not rows:
        raise NotFound(f"Task {task_id} not found")
    return view.task(rows[0], rows[0]["type_name"])


def history(site: Site, task_id: int) -> list[dict[str, Any]]:
    """Each change of the task's status, the oldest first. Raises NotFound."""
    statements = [
        ("SELECT id FROM tasks WHERE id = :id", {"id": task_id}),
        (
            "SELECT status, worker_id, attempt, message, created_at FROM task_history "
            "WHERE task_id = :id ORDER BY id",
            {"id": task_id},
        ),
    ]
    found, changes = site.db.run(lambda connection: connection.send(statements))
    if not found.rows:
        raise NotFound(f"Task {task_id} not found")
    return [{**row, "created_at": to_iso(row["created_at"])} for row in changes.rows]
