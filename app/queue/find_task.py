"""Reading one task, or several by their ids."""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import NotFound
from app.queue.task_fields import ALL_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.db.connection import Row
    from app.queue.access import Access
    from app.site import Site


def find_task(site: Site, task_id: int, access: Access | None = None) -> Row:
    """Everything about one task, with the name of its ``type``. Raises NotFound."""
    visible, own = ("", {}) if access is None else access.tasks()
    sql = f"SELECT {ALL_COLUMNS} FROM tasks WHERE tasks.id = :id{visible}"
    rows = site.db.run(lambda connection: connection.query(sql, {"id": task_id, **own}))
    return row_or_not_found({row["id"]: row for row in rows}, task_id)


def find_tasks(site: Site, task_ids: Sequence[int], access: Access | None = None) -> list[Row]:
    """The same about each of these tasks that exists, in the order of the ids given."""
    visible, own = ("", {}) if access is None else access.tasks()
    sql = f"SELECT {ALL_COLUMNS} FROM tasks WHERE tasks.id IN ({id_list(task_ids)}){visible}"
    rows = site.db.run(lambda connection: connection.query(sql, own))
    found = {row["id"]: row for row in rows}
    return [found[task_id] for task_id in dict.fromkeys(task_ids) if task_id in found]


def row_or_not_found(rows: Mapping[int, Row], task_id: int) -> Row:
    """The task's row among ``rows``. Raises NotFound."""
    if task_id not in rows:
        raise NotFound(f"Task {task_id} not found")
    return rows[task_id]
