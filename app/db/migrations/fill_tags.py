"""The rows of ``task_tags`` for tasks that a version without that table made.

An upgrade does this every time. An older version may have served in the meantime, after a return
to it or until the newer one took over, and makes tasks without these rows.
"""

from __future__ import annotations

from app.db.connection import id_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.db.connection import Connection, Dialect, Row, Statement

TASKS_AT_ONCE = 500
ROWS_AT_ONCE = 100


def fill_tags(connection: Connection) -> None:
    """Add what is missing. May run while the site is in use, and again after it was killed."""
    sql = connection.dialect
    last = 0
    while True:
        tasks = connection.query(
            f"SELECT id, type_id, tags FROM tasks {sql.by_primary_key} WHERE id > :last "
            "AND tags IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM task_tags WHERE task_tags.task_id = tasks.id) "
            f"ORDER BY id LIMIT {TASKS_AT_ONCE}",
            {"last": last},
        )
        if not tasks:
            return
        _add(connection, tasks)
        last = tasks[-1]["id"]


def _add(connection: Connection, tasks: Sequence[Row]) -> None:
    """A task that is deleted at the same time gets no rows, or loses them again."""
    sql = connection.dialect
    ids = id_list(task["id"] for task in tasks)
    lock = f"SELECT id FROM tasks {sql.by_primary_key} WHERE id IN ({ids}) {sql.lock}"
    locked = {row["id"] for row in connection.begin([(lock, {})])[0].rows}
    rows = [
        (tag, task["id"], task["type_id"])
        for task in tasks
        if task["id"] in locked
        for tag in _tags(task["tags"])
    ]
    starts = range(0, len(rows), ROWS_AT_ONCE)
    connection.commit([_insert(sql, rows[start : start + ROWS_AT_ONCE]) for start in starts])


def _tags(lines: str) -> Iterable[str]:
    return dict.fromkeys(lines.strip("\n").split("\n"))


def _insert(sql: Dialect, rows: Sequence[tuple[str, int, int]]) -> Statement:
    values = {f"tag{position}": tag for position, (tag, _, _) in enumerate(rows)}
    cells = ", ".join(
        f"(:tag{position}, {int(task_id)}, {int(type_id)})"
        for position, (_, task_id, type_id) in enumerate(rows)
    )
    insert = f"INSERT INTO task_tags (tag, task_id, type_id) VALUES {cells}"
    return f"{insert} {sql.unless_there('task_tags.tag', 'task_tags.task_id')}", values
