"""WSGI for the worker path: from the environment straight to the plain functions."""

from __future__ import annotations

from app.api.dispatch import answer, refuse
from app.api.errors import ApiError
from app.api.http import REASONS, Request
from app.api.routes import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, BinaryIO

    from app.api.http import Answer
    from app.site import Site

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]

PREFIX = "/api"
MAX_IGNORED_BYTES = 16 * 1024 * 1024


def belongs_here(environ: Environ) -> bool:
    """Whether the request is for the API and needs no Flask."""
    path = path_of(environ)
    if path != PREFIX and not path.startswith(PREFIX + "/"):
        return False
    try:
        return not find(environ["REQUEST_METHOD"], path[len(PREFIX) :])[0].is_operator
    except ApiError:
        return True


def respond(environ: Environ, start_response: StartResponse, site: Site) -> Iterable[bytes]:
    """Answer one WSGI request of the API."""
    return send(reply_to(environ, site), environ, start_response)


def reply_to(environ: Environ, site: Site) -> Answer:
    """The answer to the request in a WSGI or CGI environment. Never raises."""
    try:
        request = request_of(environ, site.settings.max_body_bytes)
    except ApiError as error:
        return refuse(error, path_of(environ)[len(PREFIX) :])
    return answer(request, site)


def send(reply: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = reply.body()
    headers = list(reply.headers.items())
    if reply.payload is not None:
        headers.append(("Content-Length", str(len(body))))
    start_response(f"{reply.status} {REASONS[reply.status]}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def request_of(environ: Environ, max_bytes: int) -> Request:
    """The request in a WSGI or CGI environment, its body read as far as it may be long."""
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    redirected = environ.get("REDIRECT_HTTP_AUTHORIZATION")
    if redirected and not headers.get("authorization"):
        headers["authorization"] = redirected
    return Request(
        environ["REQUEST_METHOD"],
        path_of(environ)[len(PREFIX) :],
        _query(environ.get("QUERY_STRING", "")),
        headers,
        _body(environ, max_bytes),
    )


def path_of(environ: Environ) -> str:
    """The path below the application. WSGI hands bytes over as Latin-1 text (PEP 3333)."""
    raw: str = environ.get("PATH_INFO", "")
    return raw.encode("latin-1").decode("utf-8", "replace")


def _query(text: str) -> dict[str, str]:
    if not text:
        return {}
    # Loaded when needed: the calls of workers have no query.
    from urllib.parse import parse_qsl

    return dict(parse_qsl(text, keep_blank_values=True))


def _body(environ: Environ, max_bytes: int) -> bytes:
    """One byte more than allowed is enough to know that it is too long."""
    length: str = environ.get("CONTENT_LENGTH") or ""
    stream: BinaryIO = environ["wsgi.input"]
    if length.isdigit():
        body = stream.read(min(int(length), max_bytes + 1))
        _read_on(stream, int(length) - len(body))
        return body
    if environ.get("wsgi.input_terminated"):
        return stream.read(max_bytes + 1)
    if "HTTP_TRANSFER_ENCODING" in environ:
        raise ApiError(
            "length_required",
            "This server cannot read a body in chunks: send its length (Content-Length)",
        )
    return b""


def _read_on(stream: BinaryIO, left: int) -> None:
    """Take in the rest of a body that is too long: many clients hear no answer before they have
    sent all of it. What is longer still is not waited for.
    """
    left = min(left, MAX_IGNORED_BYTES)
    while left > 0:
        taken = len(stream.read(min(left, 65536)))
        left = left - taken if taken else 0
