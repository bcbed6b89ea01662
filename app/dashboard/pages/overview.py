"""The first page: is all well, and what is going on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit


def show(visit: Visit) -> PageResponse:
    return visit.render("overview.html")
