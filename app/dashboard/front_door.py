"""The site's own address: people are led to the dashboard, programs are told where the API is."""

from __future__ import annotations

from app.api.response import failure, success
from app.dashboard import addresses
from app.dashboard.page_response import Redirect
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_request import PageRequest

ICON = "/favicon.ico"
ADDRESSES = ("", "/", ICON)
METHODS = ("GET", "HEAD")


def open_to(request: PageRequest) -> Response:
    """The response at one of ADDRESSES."""
    if request.method not in METHODS:
        message = f"{request.method} is not for this address: the API is below /api"
        return failure(405, "method_not_allowed", message, headers={"Allow": ", ".join(METHODS)})
    if request.path == ICON:
        return Redirect(addresses.page(request.root, "/static/icon.svg"), "", request)
    if request.is_from_browser:
        return Redirect(addresses.page(request.root, ""), "", request)
    data = {"version": VERSION, "health": "/api/health", "tasks": "/api/tasks", "map": "/api"}
    return success(data, "TaskManager is running; its API is below /api")
