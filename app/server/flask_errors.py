"""Addresses outside the API: the same JSON as inside it, until there is a page. Calls that lack
``/api`` are the API's where no page has their address.
"""

from __future__ import annotations

from flask import Flask, current_app, request
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException

from app.api.error_responses import error_response
from app.api.response import Response, failure, success
from app.api.routes import NOT_FOUND
from app.server.wsgi import has_prefix, may_lack_prefix, request_of, response_to
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
    environ, site = request.environ, current_app.extensions["taskmanager"]
    lacks_prefix = status == 404 and may_lack_prefix(request_of(environ, site))
    if lacks_prefix or has_prefix(environ):
        return _response(response_to(environ, site))
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = codes.get(status, "validation_failed" if status < 500 else "internal")
    message = NOT_FOUND if status == 404 else str(error.description)
    return _response(failure(status, code, message))


def _response(response: Response) -> FlaskResponse:
    return FlaskResponse(response.body(), response.status, response.headers)
