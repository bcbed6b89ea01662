"""From a request to a response: the whole of the API as one plain function."""

from __future__ import annotations

import json

from app.api.auth import authenticate
from app.api.call import Call
from app.api.error_responses import error_response
from app.wording import at_most

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.request import Request
    from app.api.response import Response
    from app.site import Site

MAX_WARNINGS = 50


def handle(request: Request, site: Site) -> Response:
    """The response to any request. Never raises: an error is a response too."""
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
        response = _respond(request, site, warnings)
    finally:
        site.db.end_call()
    if warnings and response.payload is not None:
        _warn(response, at_most(MAX_WARNINGS, warnings, "warning"))
    return response


def _respond(request: Request, site: Site, warnings: list[str]) -> Response:
    access = None
    try:
        if not request.target.is_open:
            access = authenticate(request, site)
        response = request.target.handler()(Call(request, site, warnings, access))
    except Exception as error:
        response = _refuse(error, request)
    if access is not None:
        from app.api import scoped_keys

        scoped_keys.note_use(site, access)
    return response


def _warn(response: Response, warnings: list[str]) -> None:
    """In the payload, or as JSON in a header where that is a bare list."""
    if isinstance(response.payload, dict):
        response.payload["warnings"] = warnings
        return
    response.headers["X-Warnings"] = json.dumps(warnings)


def _refuse(error: Exception, request: Request) -> Response:
    """The response for any exception, in the dialect that is spoken at this address."""
    if request.target.is_spooled:
        from app.api.spooled.refusal import refusal

        return refusal(error)
    return error_response(error)
