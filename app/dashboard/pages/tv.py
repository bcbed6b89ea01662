"""The overview for a screen on the wall: large, without anything to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.dashboard.pages.overview import collected

if TYPE_CHECKING:
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit


def show(visit: Visit) -> PageResponse:
    return visit.render("overview/tv.html", **collected(visit))
