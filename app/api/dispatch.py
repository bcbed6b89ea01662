"""From a request to a response: the whole of the API as one plain function."""

from __future__ import annotations

from app.api import routes
from app.api.auth import authenticate
from app.api.call import Call
from app.api.errors import error_response
from app.wording import at_most

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.http import Request, Response
    from app.site import Site

MAX_WARNINGS = 50


def handle(request: Request, site: Site) -> Response:
    """The response to any request. Never raises: an error is a response too.

    Routes of the operator path need to run inside an application context of
    :func:`app.create_app`.
    """
    settings = site.settings
    if not settings.cors_origins:
        return _handle(request, site)
    # Loaded when needed: few sites are called by other sites' pages.
    from app.api import cors

    response = cors.preflight(request, settings) or _handle(request, site)
    cors.allow(response, request, settings)
    return response


def _handle(request: Request, site: Site) -> Response:
    warnings: list[str] = []
    site.db.start_call()
    try:
        if not routes.is_open(request.path):
            authenticate(request, site)
        route, arguments = routes.find(request.method, request.path)
        response = route.handler()(Call(request, site, arguments, warnings))
    except Exception as error:
        response = refuse(error, request.path)
    finally:
        site.db.end_call()
    if warnings and response.payload is not None:
        response.payload["warnings"] = at_most(MAX_WARNINGS, warnings, "warning")
    return response


def refuse(error: Exception, path: str) -> Response:
    """The response for any exception, in the dialect that is spoken at this path."""
    if routes.speaks_spooled(path):
        from app.api.spooled import refusal

        return refusal(error)
    return error_response(error)
