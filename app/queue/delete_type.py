"""Deleting a task type: it goes, or is archived while ended tasks are still of it.

Creates do not lock their type, since all of them would wait for one row. A create looks at the type
again after its COMMIT, and a delete looks for tasks again after it has archived the type: whichever
comes last sees the other.
"""

from __future__ import annotations

from app.errors import Conflict
from app.queue import task_types
from app.queue.dedupe import UNFINISHED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

MOST_COUNTED = 1000
"""The unfinished tasks of each status are counted up to here."""


def delete_type(
    site: Site, name: str, access: Access | None = None, actor: Actor | None = None
) -> bool:
    """Delete the type, or archive it while it has ended tasks; returns whether it is archived.

    Raises UnknownType; Conflict while it has unfinished tasks.
    """
    row = task_types.get(site, name, access)
    return site.db.run(lambda connection: _delete(connection, row, actor))


def _delete(connection: Connection, row: Row, actor: Actor | None) -> bool:
    sql, type_id = connection.dialect, int(row["id"])
    _refuse_unfinished(connection, row)
    connection.send([_archive(sql, type_id)])
    try:
        _refuse_unfinished(connection, row)
    except Conflict:
        # Somebody made a task meanwhile: the type stays as it was.
        if row["archived_at"] is None:
            connection.send([_bring_back(row)])
        raise
    noted = task_types.noted_in_audit(sql, actor, "delete", row["name"])
    connection.transact([_remove_without_tasks(sql, type_id), *noted])
    return bool(connection.query("SELECT id FROM task_types WHERE id = :id", {"id": type_id}))


def _refuse_unfinished(connection: Connection, row: Row) -> None:
    arms = [
        f"SELECT COUNT(*) AS total FROM (SELECT id FROM tasks "
        f"{connection.dialect.by_index('tasks_claim_type')} WHERE status = '{status}' "
        f"AND type_id = :type_id LIMIT {MOST_COUNTED}) AS {status}"
        for status in UNFINISHED
    ]
    found = connection.query(" UNION ALL ".join(arms), {"type_id": row["id"]})
    total = sum(each["total"] for each in found)
    if total:
        is_cut = any(each["total"] == MOST_COUNTED for each in found)
        tasks = "unfinished task" if total == 1 else "unfinished tasks"
        raise Conflict(
            f"Task type {row['name']!r} has {'at least ' if is_cut else ''}{total} {tasks}: "
            "deactivate it and let workers finish them, or cancel them with POST /api/tasks/cancel"
        )


def _archive(sql: Dialect, type_id: int) -> Statement:
    return (
        f"UPDATE task_types SET archived_at = {sql.now}, is_active = 0 "
        "WHERE id = :id AND archived_at IS NULL",
        {"id": type_id},
    )


def _bring_back(row: Row) -> Statement:
    return (
        "UPDATE task_types SET archived_at = NULL, is_active = :is_active "
        "WHERE id = :id AND archived_at IS NOT NULL",
        {"id": row["id"], "is_active": row["is_active"]},
    )


def _remove_without_tasks(sql: Dialect, type_id: int) -> Statement:
    """Unless it was registered again meanwhile."""
    return (
        "DELETE FROM task_types WHERE id = :id AND archived_at IS NOT NULL AND NOT EXISTS "
        f"(SELECT 1 FROM tasks {sql.by_index('tasks_type')} WHERE tasks.type_id = task_types.id)",
        {"id": type_id},
    )
