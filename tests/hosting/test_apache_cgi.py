"""The installed site as a CGI program of a real Apache, by mod_cgi and by mod_cgid."""

from __future__ import annotations

import pytest

from tests.hosting import life
from tests.hosting.conftest import Host, Hosted
from tests.support.server import API_KEY


@pytest.fixture(params=["cgi", "cgid"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hosted(host: Host, server: str, base: str, engine: str) -> Hosted:
    """On each engine."""
    return host(server, base, engine)


@pytest.fixture
def on_sqlite(host: Host, server: str, base: str) -> Hosted:
    """For what has nothing to do with the database."""
    return host(server, base, "sqlite")


def test_a_task_lives_its_whole_life(hosted: Hosted) -> None:
    life.live_a_whole_life(hosted, "cgi.life")


def test_eight_callers_at_once_get_no_error(hosted: Hosted) -> None:
    life.serve_eight_at_once(hosted, "cgi.eight")


def test_calls_without_the_prefix_and_with_basic(on_sqlite: Hosted) -> None:
    life.take_only_an_address(on_sqlite)


def test_the_key_arrives_in_both_headers(on_sqlite: Hosted) -> None:
    life.know_the_caller(on_sqlite)


def test_names_in_addresses_arrive_as_they_are(on_sqlite: Hosted) -> None:
    life.read_names(on_sqlite)


def test_bodies_of_megabytes_arrive_or_are_refused(on_sqlite: Hosted) -> None:
    life.take_two_megabytes(on_sqlite)


def test_head_is_without_a_body(on_sqlite: Hosted) -> None:
    life.respond_to_head(on_sqlite)


def test_a_body_in_chunks_is_asked_for_its_length(on_sqlite: Hosted) -> None:
    path = f"{on_sqlite.site.base}/api/tasks/claim"
    headers = {"X-API-Key": API_KEY, "Transfer-Encoding": "chunked"}
    body = b'{"worker_id": "w"}'
    response = on_sqlite.apache.request("POST", path, body, headers, chunked=True)
    assert (response.status, response.json["code"]) == (411, "length_required")


def test_every_address_is_the_programs(on_sqlite: Hosted) -> None:
    """Also with the program's own name in it, and with slashes too many."""
    base = on_sqlite.site.base
    for path in ("/", "/?x=1", "/index.cgi", "/index.cgi/", "/api/health", "/api/health/"):
        assert on_sqlite.apache.request("GET", base + path).json["success"] is True, path
    for path in ("/index.cgi/api/health", "//api//health", "/api/./health", "/x/../api/health"):
        response = on_sqlite.apache.request("GET", base + path)
        assert response.json["status"] == "healthy", path
    assert on_sqlite.apache.request("GET", base + "/api").status == 200
    for path in ("/nothing", "/index.cgi/nothing", "/app"):
        response = on_sqlite.apache.request("GET", base + path)
        assert (response.status, response.json["code"]) == (404, "not_found"), path


def test_an_address_of_the_folder_itself_leads_into_it(host: Host, server: str) -> None:
    hosted = host(server, "/queue", "sqlite")
    response = hosted.apache.request("GET", "/queue")
    assert response.status == 301
    assert response.headers["location"].endswith("/queue/")
