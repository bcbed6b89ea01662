"""TaskManager's one entry.

Passenger and every WSGI server import ``application`` from here; executed, this file is a CGI
program; ``flask --app passenger_wsgi`` finds ``create_app``.
"""

from __future__ import annotations

import gc
import os
import sys

if __name__ == "__main__":
    # A CGI process lives for one request: collecting garbage would only make it longer.
    gc.disable()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from flask import Flask

    from app.site import Site

FOLDER = os.path.dirname(os.path.abspath(__file__))
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)

_kept: dict[str, Any] = {}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The WSGI application. Flask is loaded by the first request that needs it."""
    from app.api import wsgi

    if wsgi.belongs_here(environ):
        return wsgi.respond(environ, start_response, _site())
    if "flask" not in _kept:
        _kept["flask"] = create_app()
    answer: Iterable[bytes] = _kept["flask"](environ, start_response)
    return answer


def create_app() -> Flask:
    """The Flask application, on the same site as ``application``."""
    from app import create_app as make
    from app.config import ConfigError

    try:
        return make(_site())
    except ConfigError as error:
        raise SystemExit(f"TaskManager cannot start: {error}") from error


def _site() -> Site:
    """Made once a process. Raises app.config.ConfigError."""
    if "site" not in _kept:
        from app import site

        _kept["site"] = site.load()
    site_of_process: Site = _kept["site"]
    return site_of_process


def _run_cgi() -> int:
    from wsgiref.handlers import CGIHandler

    from app.config import ConfigError

    try:
        _site()
    except ConfigError as error:
        _refuse(f"TaskManager cannot start: {error}")
        return 1
    CGIHandler().run(application)
    return 0


def _refuse(reason: str) -> None:
    """The log hears what is wrong; the caller only that something is."""
    from app.api.http import failure

    print(reason, file=sys.stderr)
    message = "TaskManager is not set up rightly; what is wrong is in the server's error log"
    answer = failure(500, "internal", message)
    lines = ["Status: 500 Internal Server Error"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    sys.stdout.buffer.write("\r\n".join([*lines, "", ""]).encode("ascii") + answer.body())


if __name__ == "__main__":
    code = _run_cgi()
    sys.stdout.flush()
    sys.stderr.flush()
    # Ending at once saves what taking the interpreter apart would cost.
    os._exit(code)
elif not os.environ.get("FLASK_RUN_FROM_CLI"):
    # A wrong setting stops a server when it starts, not at its first request.
    _site()
