"""The API of a real database."""

from __future__ import annotations

import pytest
from flask import Flask

from app import config
from app.server.flask_app import create_app
from app.site import Site
from tests.api.caller import API_KEY, Api, way_of


def site_of(url: str) -> Site:
    return Site(config.from_values({"DATABASE_URL": url, "API_KEY": API_KEY}))


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """How a request gets to its response: the plain function, unless a test asks for another way
    by `@pytest.mark.parametrize("way", [...], indirect=True)`.

    The other ways are shells around it, as tests/server/test_shells.py proves for each route.
    """
    return str(getattr(request, "param", "plain"))


@pytest.fixture(scope="session")
def sqlite_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    path = tmp_path_factory.mktemp("api") / "queue.sqlite3"
    return create_app(site_of(f"sqlite:///{path}"))


@pytest.fixture(scope="session")
def mariadb_app(mariadb_url: str) -> Flask:
    return create_app(site_of(mariadb_url))


@pytest.fixture
def api(engine: str, way: str, request: pytest.FixtureRequest) -> Api:
    """An empty queue. Databases and applications are made once; settings that a test changes
    (``monkeypatch.setattr(api.site.settings, …)``) are its own.
    """
    flask_app: Flask = request.getfixturevalue(f"{engine}_app")
    site: Site = flask_app.extensions["taskmanager"]
    api = Api(site, way_of(way, site, flask_app))
    api.clear()
    return api
