"""From a request to an answer: the whole of the API as one plain function."""

from __future__ import annotations

from app.api import routes
from app.api.auth import authenticate
from app.api.call import Call
from app.api.errors import answer_to
from app.wording import at_most

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.http import Answer, Request
    from app.site import Site

MAX_WARNINGS = 50


def answer(request: Request, site: Site) -> Answer:
    """The answer to any request. Never raises: errors are answers too.

    Routes of the operator path need to run inside an application context of
    :func:`app.create_app`.
    """
    settings = site.settings
    if not settings.cors_origins:
        return _answer(request, site)
    # Loaded when needed: few sites are called by other sites' pages.
    from app.api import cors

    reply = cors.preflight(request, settings) or _answer(request, site)
    cors.allow(reply, request, settings)
    return reply


def _answer(request: Request, site: Site) -> Answer:
    warnings: list[str] = []
    site.db.start_call()
    try:
        if not routes.is_open(request.path):
            authenticate(request, site)
        route, arguments = routes.find(request.method, request.path)
        reply = route.handler()(Call(request, site, arguments, warnings))
    except Exception as error:
        reply = refuse(error, request.path)
    finally:
        site.db.end_call()
    if warnings and reply.payload is not None:
        reply.payload["warnings"] = at_most(MAX_WARNINGS, warnings, "warning")
    return reply


def refuse(error: Exception, path: str) -> Answer:
    """The answer for any exception, in the dialect that is spoken at this path."""
    if routes.speaks_spooled(path):
        from app.api.spooled import refusal

        return refusal(error)
    return answer_to(error)
