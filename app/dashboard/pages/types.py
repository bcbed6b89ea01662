"""Every type: how busy it is, how long its tasks take, how many fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.dashboard.display import export
from app.dashboard.display.charts import sparkline
from app.dashboard.pages import type as one_type
from app.dashboard.type_address import type_url
from app.queue import task_types
from app.queue.type_page import STATES, type_page

if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit


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
    after = visit.query.get("after")
    return visit.render(
        "types/types.html",
        page=type_page(visit.site, after=after, text=search, state=state),
        search=search,
        state=state,
        states=list(STATES),
        after=after,
        sparkline=sparkline,
        type_url=type_url,
    )
