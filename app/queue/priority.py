"""Changing the priority of a task that has not ended."""

from __future__ import annotations

from app.errors import Conflict
from app.queue import audit, lanes
from app.queue.change_id import new_change_id
from app.queue.fencing import GuardedUpdate, transact
from app.queue.find_task import row_or_not_found
from app.queue.task_action import status_in
from app.queue.task_fields import ALL_COLUMNS, priority_of, shown_status, urgency_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Connection, Row, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

UNFINISHED = status_in((*lanes.READY, "scheduled", "claimed"))


def set_priority(
    site: Site,
    task_id: int,
    priority: int,
    access: Access | None = None,
    actor: Actor | None = None,
) -> tuple[int, Row]:
    """Give a task another priority. Returns the one that it had, and the task as it is now.

    The next claim goes by it. A claimed task stays with its worker; the priority counts if the task
    is tried again. No status changes, so the history has no line for it.

    Raises NotFound; Conflict when the task has ended.
    """
    before, row = site.db.run(
        lambda connection: _set(connection, task_id, priority, access, actor), repeatable=False
    )
    if before is None:
        raise Conflict(
            f"Task {task_id} is {shown_status(row['status'])} already: the priority of a task that "
            "has ended decides nothing"
        )
    return before, row


def _set(
    connection: Connection,
    task_id: int,
    priority: int,
    access: Access | None,
    actor: Actor | None,
) -> tuple[int | None, Row]:
    """The priority is None where the task had ended."""
    sql = connection.dialect
    change_id = new_change_id()
    visible, own = ("", {}) if access is None else access.tasks()
    values: dict[str, Any] = {"id": task_id, "urgency": urgency_of(priority), **own}
    look: Statement = (
        f"SELECT urgency FROM tasks {sql.by_primary_key} WHERE id = :id AND {UNFINISHED}"
        f"{visible} {sql.lock}",
        values,
    )
    update: Statement = (
        f"UPDATE tasks {sql.by_primary_key} SET urgency = :urgency, change_id = {change_id} "
        f"WHERE id = :id AND {UNFINISHED}{visible}",
        values,
    )
    updates = [GuardedUpdate([task_id], change_id, 1)]
    noted = audit.record_task(sql, actor, "task.priority", task_id, change_id)
    statements = [look, update, *noted, lanes.make_due(sql, [task_id], change_id)]
    results, rows = transact(connection, statements, updates, ALL_COLUMNS, access)
    row = row_or_not_found(rows, task_id)
    found = results[0].rows
    return (priority_of(found[0]["urgency"]) if found else None), row
