"""CGI: one request in the process's environment and input, one response to its output."""

from __future__ import annotations

import os
import sys

from app.server.incoming import body_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Environ = dict[str, Any]
    Application = Callable[[Environ, Any], Iterable[bytes]]


def environment() -> Environ:
    """The request as WSGI has it: bytes as Latin-1 text (PEP 3333)."""
    environ: Environ = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in os.environb.items()
    }
    secure = environ.get("HTTPS", "").lower() in ("on", "1", "true")
    environ.update(
        {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if secure else "http",
            "wsgi.input": sys.stdin.buffer,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": True,
        }
    )
    return environ


def respond(application: Application, environ: Environ) -> None:
    """Run a WSGI application on one request and write all of its response at once.

    What the application raises has written nothing yet.
    """
    head: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        head[:] = [f"Status: {status}", *(f"{name}: {value}" for name, value in headers)]

    body = b"".join(application(environ, start_response))
    # Does nothing where the API has answered: this is for what was answered before it.
    body_of(environ).drain()
    output = sys.stdout.buffer
    output.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)
    output.flush()
