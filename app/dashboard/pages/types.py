"""Every type: how busy it is, how long its tasks take, how many fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.dashboard.display import export
from app.dashboard.display.charts import sparkline
from app.dashboard.pages import type as one_type
from app.dashboard.type_address import type_url
from app.queue import task_types
from app.queue.type_order import FIGURES
from app.queue.type_page import STATES, sorted_type_page, type_page

if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit
    from app.queue.type_page import TypePage

SORTS = {
    "": "by name",
    "failed": "most failed first",
    "oldest": "longest wait first",
    "waiting": "most waiting first",
    "running": "most running first",
    "share": "highest failure rate first",
    "ended": "busiest first",
}
assert set(SORTS) == {"", *FIGURES}

LARGEST_START = 1_000_000


def show(visit: Visit) -> Response:
    """The list; one type where the address names it."""
    if visit.query.get("name"):
        return one_type.page(visit, visit.query.get("name"))
    if export.format_of(visit):
        rows = task_types.list_all(visit.site, with_archived=True)
        return export.file_of(visit, "types", [serializers.task_type(row) for row in rows])
    search = visit.query.get("q")
    state = visit.query.get("state")
    state = state if state in STATES else ""
    sort = visit.query.get("sort")
    sort = sort if sort in SORTS else ""
    page = _page(visit, search, state, sort)
    return visit.render(
        "types/types.html",
        page=page,
        as_of=visit.as_of(page.as_of),
        sort=sort,
        sorts=SORTS,
        search=search,
        state=state,
        states=list(STATES),
        is_first=not (visit.query.get("after") or visit.query.get("start")),
        sparkline=sparkline,
        type_url=type_url,
    )


def _page(visit: Visit, search: str, state: str, sort: str) -> TypePage:
    if sort:
        start = min(visit.query.number("start") or 0, LARGEST_START)
        return sorted_type_page(visit.site, sort, start=start, text=search, state=state)
    return type_page(visit.site, after=visit.query.get("after"), text=search, state=state)
