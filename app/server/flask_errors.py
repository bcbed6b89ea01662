"""Addresses outside the API: the same JSON as inside it, until there is a page. Calls that lack
``/api`` are the API's where no page has their address.
"""

from __future__ import annotations

from flask import Flask, current_app, request
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException

from app.api.errors import error_response
from app.api.http import Response, failure, success
from app.api.routes import NOT_FOUND
from app.server.wsgi import has_prefix, may_lack_prefix, response_to
from app.version import VERSION


def register_errors(app: Flask) -> None:
    """Answer the root, unknown addresses and unexpected errors as JSON."""
    app.add_url_rule("/", view_func=root)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, lambda error: _response(error_response(error)))


def root() -> FlaskResponse:
    data = {"version": VERSION, "health": "/api/health", "tasks": "/api/tasks"}
    return _response(success(data, "TaskManager is running; its API is below /api"))


def http_error(error: HTTPException) -> FlaskResponse:
    status = error.code or 500
    lacks_prefix = status == 404 and may_lack_prefix(request.environ)
    if lacks_prefix or has_prefix(request.environ):
        return _response(response_to(request.environ, current_app.extensions["taskmanager"]))
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = codes.get(status, "validation_failed" if status < 500 else "internal")
    message = NOT_FOUND if status == 404 else str(error.description)
    return _response(failure(status, code, message))


def _response(response: Response) -> FlaskResponse:
    return FlaskResponse(response.body(), response.status, response.headers)
