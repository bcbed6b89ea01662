"""What the API says about itself, to anybody: the list of calls, and the OpenAPI document."""

from __future__ import annotations

from app.api.reference.site_address import address_of
from app.api.response import Response, success
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call


def list_calls(call: Call) -> Response:
    """Every call, in the order of the documentation."""
    from app.api.reference.summaries import SUMMARIES
    from app.api.routes import ROUTES

    scopes = {f"{route.method} {route.template}": route.scope for route in ROUTES}
    calls = []
    for name, summary in SUMMARIES.items():
        method, _, path = name.partition(" ")
        shown = {"method": method, "path": path, "summary": summary, "scope": scopes[name]}
        calls.append(shown)
    address = f"{address_of(call.request)}/api"
    data = {
        "name": "TaskManager",
        "version": VERSION,
        "links": {
            "docs": f"{address}/docs",
            "openapi": f"{address}/openapi.json",
            "health": f"{address}/health",
        },
        "calls": calls,
    }
    return success(data, "Every call of the API")


def openapi(call: Call) -> Response:
    """The document is as large as the API is: it is made when it is asked for."""
    from app.api.reference.openapi import document

    return Response(200, document(address_of(call.request), call.site.settings))
