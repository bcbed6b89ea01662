"""WSGI for the API: from the environment straight to the plain functions."""

from __future__ import annotations

from app.api.dispatch import handle
from app.api.request import Request
from app.api.response import REASONS
from app.server.incoming import body_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from app.api.response import Response
    from app.site import Site

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]

PREFIX = "/api"
PAGES = "/dashboard"
"""Below this are the pages. The dashboard has it too: calls of programs do not load that."""

DOCS = "/api/docs"
"""The page about the API, which is one of the dashboard's."""

READ_BARE = ("/health", "/health/live", "/health/ready", "/health/queue", "/metrics")
"""Programs look for these at the root."""

REQUEST = "taskmanager.request"
"""Where the request is kept in its environment, so that Flask does not look for its route again."""


def request_of(environ: Environ, site: Site) -> Request:
    """The request in a WSGI or CGI environment, the same one each time."""
    if REQUEST not in environ:
        environ[REQUEST] = _request(environ, site)
    request: Request = environ[REQUEST]
    return request


def belongs_here(environ: Environ, site: Site) -> bool:
    """Whether the request is for the API: then it needs no Flask.

    Without ``/api`` only what the API knows is: any other address may be that of a page.
    """
    if is_page(environ):
        return False
    if has_prefix(environ):
        return True
    request = request_of(environ, site)
    return may_lack_prefix(request) and request.target.route is not None


def has_prefix(environ: Environ) -> bool:
    path = path_of(environ)
    return path == PREFIX or path.startswith(PREFIX + "/")


def is_page(environ: Environ) -> bool:
    """Whether the address is one of the dashboard's, whose forms are POSTs too."""
    path = path_of(environ)
    return path == PAGES or path.startswith(PAGES + "/") or path.rstrip("/") == DOCS


def may_lack_prefix(request: Request) -> bool:
    """Whether the API takes this request without ``/api`` in front, where no page has the address:
    some HTTP libraries drop the path of a base address.
    """
    if request.method == "OPTIONS":
        return "access-control-request-method" in request.headers
    is_read = request.method in ("GET", "HEAD")
    route = request.target.route
    is_bare = route is not None and route.template in READ_BARE
    return request.method == "POST" or (is_read and is_bare)


def respond(environ: Environ, start_response: StartResponse, site: Site) -> Iterable[bytes]:
    """Answer one WSGI request of the API."""
    return send(response_to(environ, site), environ, start_response)


def response_to(environ: Environ, site: Site) -> Response:
    """The response to the request in a WSGI or CGI environment. Never raises."""
    response = handle(request_of(environ, site), site)
    body_of(environ).drain()
    return response


def send(response: Response, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = response.body()
    headers = response.header_list()
    if body or response.payload is not None:
        headers.append(("Content-Length", str(len(body))))
    start_response(f"{response.status} {REASONS[response.status]}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _request(environ: Environ, site: Site) -> Request:
    headers = headers_of(environ)
    redirected = environ.get("REDIRECT_HTTP_AUTHORIZATION")
    if redirected and not headers.get("authorization"):
        headers["authorization"] = redirected
    body = body_of(environ, site.settings.max_body_bytes)

    def read() -> bytes:
        received = body.read()
        # The call's time is for the database: a slow connection does not use it up.
        site.db.start_call()
        return received

    return Request(
        environ["REQUEST_METHOD"],
        _api_path(environ),
        _query(environ.get("QUERY_STRING", "")),
        headers,
        read,
        environ.get("REMOTE_ADDR", ""),
        root_of(environ),
        environ.get("wsgi.url_scheme", "http"),
    )


def headers_of(environ: Environ) -> dict[str, str]:
    """The request's headers, by their names in lower case."""
    return {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def root_of(environ: Environ) -> str:
    """Where the application is mounted: empty, or a folder that begins with a slash."""
    raw: str = environ.get("SCRIPT_NAME", "")
    return raw.encode("latin-1").decode("utf-8", "replace").rstrip("/")


def path_of(environ: Environ) -> str:
    """The path below the application. WSGI hands bytes over as Latin-1 text (PEP 3333)."""
    raw: str = environ.get("PATH_INFO", "")
    return raw.encode("latin-1").decode("utf-8", "replace")


def _api_path(environ: Environ) -> str:
    """The path within the API."""
    path = path_of(environ)
    return path[len(PREFIX) :] if has_prefix(environ) else path


def _query(text: str) -> dict[str, str]:
    if not text:
        return {}
    # Loaded when needed: the calls of workers have no query.
    from urllib.parse import parse_qsl

    return dict(parse_qsl(text, keep_blank_values=True))
