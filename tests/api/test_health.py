"""GET /health"""

from __future__ import annotations

from pathlib import Path

import pytest

from app import config
from app.server.flask_app import create_app
from app.site import Site
from app.version import VERSION
from tests.api.caller import API_KEY, Api, way_of
from tests.support.net import free_port

pytestmark = pytest.mark.parametrize("way", ["plain", "flask"], indirect=True)

FIELDS = {"status", "database", "version"}


@pytest.fixture
def broken(engine: str, way: str, tmp_path: Path) -> Api:
    """The API of a site whose database cannot be reached."""
    (tmp_path / "file").write_text("a file, where a folder should be")
    urls = {
        "sqlite": f"sqlite:///{tmp_path / 'file' / 'queue.sqlite3'}",
        "mariadb": f"mysql://tm_secret:hidden@127.0.0.1:{free_port()}/tm_none",
    }
    settings = config.from_values({"DATABASE_URL": urls[engine], "API_KEY": API_KEY})
    site = Site(settings)
    return Api(site, way_of(way, site, create_app(site)))


def test_a_healthy_server(api: Api) -> None:
    response = api.call("GET", "/health", headers={})
    assert response.status == 200
    assert response.json["status"] == "healthy"
    assert response.json["database"] == "connected"
    assert response.json["version"] == VERSION


def test_it_tells_nothing_else(api: Api) -> None:
    response = api.call("GET", "/health", headers={})
    assert set(response.json) == {"success", "message", "data", "timestamp", *FIELDS}
    assert set(response.data) == FIELDS


def test_head(api: Api) -> None:
    assert api.call("HEAD", "/health", headers={}).status == 200


def test_a_database_that_does_not_answer(broken: Api) -> None:
    response = broken.call("GET", "/health", headers={})
    assert response.status == 503
    assert response.code == "database_unavailable"
    assert response.json["status"] != "healthy"
    assert response.json["database"] != "connected"
    assert int(response.headers["Retry-After"]) > 0
    assert set(response.json) == {"success", "error", "message", "code", "timestamp", *FIELDS}


@pytest.mark.parametrize("agent", ["spooled-python/1.6.0", "Spooled-Go/1.0"])
def test_an_sdk_of_spooled_is_told_in_its_form(api: Api, broken: Api, agent: str) -> None:
    response = api.send("GET", "/health", {"User-Agent": agent})
    expected = {"status": "healthy", "version": VERSION, "database": True}
    assert (response.status, response.json) == (200, expected)
    response = broken.send("GET", "/health", {"User-Agent": agent})
    assert (response.status, response.code) == (503, "DATABASE_UNAVAILABLE")
    assert (response.json["status"], response.json["database"]) == ("unhealthy", False)
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tasks/claim", {"worker_id": "w"}),
        ("POST", "/tasks", {"type": "job", "params": {}}),
        ("POST", "/tasks/1/complete", {}),
        ("POST", "/tasks/1/heartbeat", {}),
        ("POST", "/tasks/1/cancel", {}),
        ("GET", "/tasks/1", None),
        ("GET", "/tasks", None),
        ("GET", "/task-types", None),
        ("POST", "/task-types/register", {"name": "a", "version": "1", "param_schema": {}}),
    ],
)
def test_other_calls_say_so_too(broken: Api, method: str, path: str, body: object) -> None:
    response = broken.call(method, path, body)
    assert response.status == 503
    assert response.code == "database_unavailable"
    assert int(response.headers["Retry-After"]) > 0


def test_the_reason_stays_on_the_server(
    broken: Api, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    response = broken.call("GET", "/tasks")
    for secret in ("hidden", "tm_secret", "queue.sqlite3", "127.0.0.1", "sqlalchemy"):
        assert secret not in str(response.json)
    assert "hidden" not in capsys.readouterr().err
