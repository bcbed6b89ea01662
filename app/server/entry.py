"""What a server runs: the WSGI application, and one request as a CGI program.

Flask is loaded by the first request outside the API: under CGI every import is paid for by every
request.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

    from flask import Flask

    from app.api.response import Response
    from app.errors import ConfigError
    from app.site import Site


class _Process:
    """What a process makes once, at the first request that needs it."""

    site: Site | None = None
    flask: Flask | None = None
    is_checked = False


_process = _Process()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The WSGI application, for every server."""
    from app.errors import ConfigError
    from app.server import mount, wsgi

    if mount.PASSENGER_MARK in environ:
        mount.correct_for_passenger(environ)
    try:
        if wsgi.belongs_here(environ, site()):
            return wsgi.respond(environ, start_response, site())
        # Loaded when needed: calls of programs do not get here.
        from app.server import pages

        if pages.belongs_here(environ):
            if pages.is_front_door(environ):
                check_settings()
            return wsgi.send(pages.response_to(environ, site()), environ, start_response)
    except ConfigError as error:
        return wsgi.send(_misconfigured(error), environ, start_response)
    if _process.flask is None:
        _process.flask = create_app()
    return _process.flask(environ, start_response)


def create_app() -> Flask:
    """The Flask application, on the same site as ``application``.

    A wrong setting ends the program with a sentence that names it.
    """
    from app.errors import ConfigError
    from app.server import flask_app

    try:
        check_settings()
        return flask_app.create_app(site())
    except ConfigError as error:
        raise SystemExit(f"TaskManager cannot start: {error}") from error


def site() -> Site:
    """Made once a process. Raises app.errors.ConfigError."""
    if _process.site is None:
        from app.site import load

        _process.site = load()
    return _process.site


def check_settings() -> None:
    """Log, once a process, what should be changed in the settings. Raises
    app.errors.ConfigError for what must be.

    Not done for calls of the API under CGI, which would log it with each request.
    """
    settings = site().settings
    if _process.is_checked:
        return
    _process.is_checked = True
    from app.config import warnings
    from app.error_log import log

    for sentence in warnings(settings):
        log(sentence)


def keep_log() -> None:
    """What goes to the server's error log goes to the file TASKMANAGER_LOG_FILE too, if set."""
    path = os.environ.get("TASKMANAGER_LOG_FILE")
    if path:
        from app.server.log_file import LogFile

        sys.stderr = LogFile(path, sys.stderr)


def run_cgi() -> NoReturn:
    """Answer the request in the environment of a CGI process, and end the process.

    Errors raised before a response was sent are left to the caller.
    """
    # This is the header "Proxy" of a request, but libraries take it for a setting (httpoxy).
    os.environ.pop("HTTP_PROXY", None)
    from app.server import cgi, mount

    keep_log()
    environ = cgi.environment()
    mount.correct_for_cgi(environ)
    cgi.respond(application, environ)
    try:
        _close()
    finally:
        # Skips the interpreter's own shutdown, which would take longer.
        os._exit(1 if _process.site is None else 0)


def _close() -> None:
    """MySQL counts and logs connections that end without being closed; SQLite, when it is closed,
    moves what was written into the one file that people copy as a backup.
    """
    if _process.site is not None:
        _process.site.db.close()
    sys.stderr.flush()


def _misconfigured(error: ConfigError) -> Response:
    """The log says what is wrong; the caller learns only that something is."""
    from app.api.response import failure
    from app.error_log import log

    log(error)
    message = "TaskManager is not set up correctly; the server's error log says what is wrong"
    return failure(500, "internal", message)
