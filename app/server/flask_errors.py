"""Addresses that are neither the API's nor a page's: a page for browsers, the API's JSON for
programs. Calls that lack ``/api`` are the API's where no page has their address.
"""

from __future__ import annotations

from flask import Flask, current_app, request
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException

from app.api.error_responses import error_response
from app.api.response import Response, failure
from app.api.routes import NOT_FOUND
from app.server import pages
from app.server.wsgi import has_prefix, may_lack_prefix, request_of, response_to


def register_errors(app: Flask) -> None:
    """Answer unknown addresses and unexpected errors."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, lambda error: _response(error_response(error)))


def http_error(error: HTTPException) -> FlaskResponse:
    status = error.code or 500
    environ, site = request.environ, current_app.extensions["taskmanager"]
    lacks_prefix = status == 404 and may_lack_prefix(request_of(environ, site))
    if lacks_prefix or has_prefix(environ):
        return _response(response_to(environ, site))
    if status == 404 and "text/html" in environ.get("HTTP_ACCEPT", ""):
        return _response(pages.not_found(environ, site))
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = codes.get(status, "validation_failed" if status < 500 else "internal")
    message = NOT_FOUND if status == 404 else str(error.description)
    return _response(failure(status, code, message))


def _response(response: Response) -> FlaskResponse:
    return FlaskResponse(response.body(), response.status, response.header_list())
