"""Lists of tasks with filters, newest first."""

from __future__ import annotations

from app.queue.search import SearchResult, TaskSearch
from app.queue.task_fields import STORED_COLUMNS
from app.queue.task_filter import MAX_ID, TaskFilter, query_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.db.connection import Dialect
    from app.queue.access import Access
    from app.queue.task_filter import Rows
    from app.site import Site


def find(
    site: Site,
    filters: Mapping[str, Any],
    limit: int,
    offset: int = 0,
    access: Access | None = None,
) -> Rows:
    """The tasks that pass every filter given, as :class:`TaskFilter` has them.

    Raises a DatabaseError.
    """
    task_filter = TaskFilter(site.db.dialect, query_of(site), filters, access)
    return _read(site.db.dialect, task_filter, limit, min(offset, MAX_ID - limit))


def find_in_any(
    site: Site,
    several: Sequence[Mapping[str, Any]],
    limit: int,
    offset: int = 0,
    access: Access | None = None,
) -> Rows:
    """The tasks that pass every filter in one of ``several``, of which no task may pass two."""
    sql, offset = site.db.dialect, min(offset, MAX_ID - limit)
    task_filters = [TaskFilter(sql, query_of(site), each, access) for each in several]
    pages = [each.page(limit + offset) for each in task_filters]
    found = " UNION ALL ".join(
        f"SELECT id FROM ({page}) AS f{number}" for number, page in enumerate(pages) if page
    )
    if not found:
        return []
    page = f"SELECT id FROM ({found}) AS found ORDER BY id DESC LIMIT {limit} OFFSET {offset}"
    return _read_page(sql, task_filters[0], page)


def search(
    site: Site,
    filters: Mapping[str, Any],
    limit: int,
    access: Access | None = None,
) -> SearchResult:
    """The ids of tasks that pass every filter and hold the text ``q``: first those of which it is
    the id, the dedupe key or a tag. A later page, with ``before_id``, leaves these out.
    """
    filters = dict(filters)
    before_id = filters.pop("before_id", None)
    found = TaskSearch(site.db.dialect, query_of(site), filters, access)
    exact = found.exact(limit)
    if before_id is not None:
        return found.find(limit, before_id, exact)
    if len(exact) == limit:
        return SearchResult(exact, next_before_id=MAX_ID)
    result = found.find(limit - len(exact), leave_out=exact)
    result.ids = exact + result.ids
    return result


def exactly(name: str) -> str:
    """A ``type`` filter for this type alone, whatever is in its name."""
    if "%" not in name:
        return name
    return name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _read(sql: Dialect, task_filter: TaskFilter, limit: int, offset: int) -> Rows:
    """One page of them."""
    page = task_filter.page(limit, offset)
    return [] if page is None else _read_page(sql, task_filter, page)


def _read_page(sql: Dialect, task_filter: TaskFilter, page: str) -> Rows:
    columns = ", ".join(f"tasks.{name}" for name in STORED_COLUMNS)
    return task_filter.query(
        f"SELECT {columns}, task_types.name AS type FROM ({page}) AS page "
        f"{sql.then_join} tasks {sql.by_primary_key} ON tasks.id = page.id "
        f"{sql.then_join} task_types ON task_types.id = tasks.type_id "
        "ORDER BY page.id DESC"
    )
