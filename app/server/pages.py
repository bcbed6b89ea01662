"""WSGI for people: which requests are for the dashboard, and how they get there without Flask."""

from __future__ import annotations

from app.dashboard import front_door
from app.dashboard.page_request import PageRequest
from app.dashboard.routes import API_DOCS
from app.server.incoming import body_of
from app.server.wsgi import DOCS, PAGES, headers_of, is_page, path_of, root_of

FOR_ANYBODY = f"{PAGES}/sign-in"
"""Forms at addresses that begin so are read before it is known who sends them."""

MAX_FORM_BYTES = 128 * 1024
"""Of those. They may carry a form that somebody filled in before they had to sign in again."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.response import Response
    from app.site import Site

    Environ = dict[str, Any]


def belongs_here(environ: Environ) -> bool:
    """Whether the address is the dashboard's, or its front door."""
    return is_front_door(environ) or is_page(environ)


def is_front_door(environ: Environ) -> bool:
    return path_of(environ) in front_door.ADDRESSES


def response_to(environ: Environ, site: Site) -> Response:
    """The response to a request for a page. Never raises."""
    request = _request(environ, site)
    if request.path in front_door.ADDRESSES:
        response = front_door.open_to(request)
    else:
        # Loaded when needed: the front door shows no page.
        from app.dashboard.dispatch import handle

        is_docs = request.path.rstrip("/") == DOCS
        request.path = API_DOCS if is_docs else request.path[len(PAGES) :]
        response = handle(request, site)
    body_of(environ).drain()
    return response


def not_found(environ: Environ, site: Site) -> Response:
    """The page for an address outside the API at which nothing is."""
    from app.dashboard.errors import nothing_here

    return nothing_here(_request(environ, site), site)


def _request(environ: Environ, site: Site) -> PageRequest:
    body = body_of(environ, site.settings.max_body_bytes)

    def read(from_anybody: bool = False) -> bytes:
        is_for_anybody = from_anybody or path_of(environ).startswith(FOR_ANYBODY)
        received = body.read_form(MAX_FORM_BYTES) if is_for_anybody else body.read()
        # As in the API: a slow connection does not use up the time for the database.
        site.db.start_call()
        return received

    return PageRequest(
        environ["REQUEST_METHOD"],
        path_of(environ),
        environ.get("QUERY_STRING", ""),
        headers_of(environ),
        read,
        environ.get("REMOTE_ADDR", ""),
        root_of(environ),
        _scheme(environ),
    )


def _scheme(environ: Environ) -> str:
    """How the browser asked. A proxy in front that speaks https says so in a header; a caller who
    forges it affects only their own cookies.
    """
    told: str = environ.get("HTTP_X_FORWARDED_PROTO", "").partition(",")[0].strip().lower()
    return told if told in ("http", "https") else environ.get("wsgi.url_scheme", "http")
