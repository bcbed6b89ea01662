"""Flask's way to the API and the pages: a thin shell around the same plain functions."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from app.server import pages
from app.server.wsgi import response_to

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

blueprint = Blueprint("api", __name__, url_prefix="/api")
dashboard = Blueprint("dashboard", __name__)


@blueprint.route("", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
def call(path: str = "") -> Response:
    """Every address below ``/api``: :mod:`app.api.routes` knows them."""
    site = current_app.extensions["taskmanager"]
    response = response_to(request.environ, site)
    return Response(response.body(), response.status, response.headers)


@dashboard.route("/", methods=METHODS, provide_automatic_options=False)
@dashboard.route("/favicon.ico", methods=METHODS, provide_automatic_options=False)
@dashboard.route("/dashboard", methods=METHODS, provide_automatic_options=False)
@dashboard.route("/dashboard/", methods=METHODS, provide_automatic_options=False)
@dashboard.route("/api/docs", methods=METHODS, provide_automatic_options=False)
@dashboard.route("/api/docs/", methods=METHODS, provide_automatic_options=False)
@dashboard.route("/dashboard/<path:path>", methods=METHODS, provide_automatic_options=False)
def page(path: str = "") -> Response:
    """The front door and every page: :mod:`app.dashboard.routes` knows them."""
    site = current_app.extensions["taskmanager"]
    response = pages.response_to(request.environ, site)
    return Response(response.body(), response.status, response.header_list())
