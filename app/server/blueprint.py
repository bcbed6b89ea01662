"""Flask's way to the API: a thin shell around the same plain functions."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from app.server.wsgi import response_to

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.route("", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
def call(path: str = "") -> Response:
    """Every address below ``/api``: :mod:`app.api.routes` knows them."""
    site = current_app.extensions["taskmanager"]
    response = response_to(request.environ, site)
    return Response(response.body(), response.status, response.headers)
