"""A page of a list of tasks, as people look at lists: what matters of each task, long texts cut,
and from where to go on in both directions.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import listing
from app.queue.task_fields import PENDING_SINCE
from app.queue.task_filter import MAX_ID, TaskFilter, query_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.db.connection import Statement
    from app.queue.task_filter import Rows
    from app.site import Site

TEXT = 300
"""So many characters of params, errors and messages are read; they may have a million."""

MOST_TYPES = 300
"""So many types are offered to choose from."""

COLUMNS = (
    "id, status, attempts, max_attempts, releases, claimed_by, claimed_at, cancel_requested, "
    f"progress, due_at, {PENDING_SINCE} AS pending_since, completed_at, created_at, tags, "
    f"dedupe_key, SUBSTR(params_json, 1, {TEXT + 1}) AS params, "
    f"SUBSTR(error_message, 1, {TEXT + 1}) AS error, "
    f"SUBSTR(progress_message, 1, {TEXT + 1}) AS progress_message, "
    "(SELECT task_types.name FROM task_types WHERE task_types.id = tasks.type_id) AS type"
)


class TaskPage:
    """``rows`` have the newest task first, and texts of up to TEXT + 1 characters. ``before_id`` is
    from where to go on to older ones and ``after_id`` to newer ones, None where there are none.
    ``searched`` is how many tasks a search has looked through.
    """

    def __init__(
        self,
        rows: Rows,
        before_id: int | None,
        after_id: int | None = None,
        searched: int | None = None,
    ) -> None:
        self.rows = rows
        self.before_id = before_id
        self.after_id = after_id
        self.searched = searched


def task_page(
    site: Site,
    filters: Mapping[str, Any],
    limit: int,
    before_id: int | None = None,
    after_id: int | None = None,
) -> TaskPage:
    """The newest tasks that pass the filters; or the next older ones below ``before_id``; or the
    next newer ones above ``after_id``, and the newest where these do not fill a page. A search, by
    ``q``, goes to older ones only. Raises a DatabaseError.
    """
    if "q" in filters:
        return _searched(site, filters, limit, before_id)
    task_filter = TaskFilter(site.db.dialect, query_of(site), filters)
    if after_id is not None:
        ids = task_filter.ids_above(limit, after_id)
        if len(ids) == limit:
            return TaskPage(_rows(site, ids), ids[-1], ids[0])
        before_id = None
    ids = task_filter.ids(limit + 1, MAX_ID if before_id is None else before_id)
    older = ids[limit - 1] if len(ids) > limit else None
    newer = None
    if before_id is not None:
        newer = ids[0] if ids else before_id - 1
    return TaskPage(_rows(site, ids[:limit]), older, newer)


def _searched(
    site: Site, filters: Mapping[str, Any], limit: int, before_id: int | None
) -> TaskPage:
    if before_id is not None:
        filters = {**filters, "before_id": before_id}
    found = listing.search(site, filters, limit)
    return TaskPage(_rows(site, found.ids), found.next_before_id, None, found.searched)


def _rows(site: Site, ids: Sequence[int]) -> Rows:
    if not ids:
        return []
    sql = (
        f"SELECT {COLUMNS} FROM tasks {site.db.dialect.by_primary_key} "
        f"WHERE tasks.id IN ({id_list(ids)})"
    )
    rows = {row["id"]: row for row in query_of(site)(sql, {})}
    return [rows[task_id] for task_id in ids if task_id in rows]


class ListContext:
    """What a list is looked at with: the database's time ``now``, the highest id that any task has,
    and the names of task ``types``.
    """

    def __init__(self, now: str, newest_id: int, types: Sequence[str]) -> None:
        self.now = now
        self.newest_id = newest_id
        self.types = types


def list_context(site: Site) -> ListContext:
    statements: list[Statement] = [
        (
            f"SELECT {site.db.dialect.now} AS now, "
            "(SELECT COALESCE(MAX(id), 0) FROM tasks) AS newest",
            {},
        ),
        (f"SELECT name FROM task_types ORDER BY name LIMIT {MOST_TYPES}", {}),
    ]
    found, types = site.db.run(lambda connection: connection.send(statements))
    (row,) = found.rows
    return ListContext(str(row["now"]), row["newest"], [each["name"] for each in types.rows])
