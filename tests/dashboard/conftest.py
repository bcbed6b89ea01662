"""The dashboard of a real database: its pages alone, or on a server and in a browser."""

from __future__ import annotations

import pytest
from flask import Flask

from app.config import from_values
from app.queue import api_keys
from app.queue.api_keys import NewKey
from app.site import Site
from tests.api.caller import Api, way_of
from tests.api.conftest import mariadb_app, site_of, sqlite_app
from tests.dashboard.visitor import Visitor

__all__ = ["mariadb_app", "site_of", "sqlite_app"]


@pytest.fixture
def api(engine: str, request: pytest.FixtureRequest) -> Api:
    """An empty queue, through its API: what the pages show is made with it."""
    flask_app: Flask = request.getfixturevalue(f"{engine}_app")
    site: Site = flask_app.extensions["taskmanager"]
    api = Api(site, way_of("plain", site, flask_app))
    api.clear()
    return api


@pytest.fixture
def admin(api: Api) -> Visitor:
    """An admin who looks at the queue of ``api``."""
    settings = from_values(
        {"DATABASE_URL": "sqlite:///not-used.sqlite3", "REQUIRE_AUTH": False, "API_KEY": ""}
    )
    site = Site(settings)
    site.db = api.site.db
    return Visitor(site)


@pytest.fixture
def reader(api: Api) -> Visitor:
    """Somebody with a key for reading."""
    visitor = Visitor(api.site)
    visitor.sign_in(api_keys.make(api.site, NewKey("reader", ["read"])).text)
    return visitor
