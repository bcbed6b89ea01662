"""From a request to an answer: the whole of the API as one plain function."""

from __future__ import annotations

from app.api import routes
from app.api.auth import authenticate
from app.api.call import Call
from app.api.errors import answer_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.http import Answer, Request
    from app.site import Site


def answer(request: Request, site: Site) -> Answer:
    """The answer to any request. Never raises: errors are answers too.

    Routes of the operator path need to run inside an application context of
    :func:`app.create_app`.
    """
    warnings: list[str] = []
    site.db.start_call()
    try:
        route, arguments = routes.find(request.method, request.path)
        if not route.is_open:
            authenticate(request, site.settings)
        reply = route.handler()(Call(request, site, arguments, warnings))
    except Exception as error:
        reply = refuse(error, request.path)
    finally:
        site.db.end_call()
    if warnings and reply.payload is not None:
        reply.payload["warnings"] = warnings
    return reply


def refuse(error: Exception, path: str) -> Answer:
    """The answer for any exception, in the dialect that is spoken at this path."""
    if path.startswith(routes.SPOOLED):
        from app.api.spooled import refusal

        return refusal(error)
    return answer_to(error)
