"""Flask's way to the API: a thin shell around the same plain functions."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from app.api.dispatch import answer
from app.api.errors import ApiError, answer_to
from app.api.wsgi import request_of

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.route("", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
def call(path: str = "") -> Response:
    """Every address below ``/api``: :mod:`app.api.routes` knows them."""
    site = current_app.extensions["taskmanager"]
    try:
        reply = answer(request_of(request.environ, site.settings.max_body_bytes), site)
    except ApiError as error:
        reply = answer_to(error)
    return Response(reply.body(), reply.status, reply.headers)
