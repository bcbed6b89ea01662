"""The site's own address, and what is at no address."""

from __future__ import annotations

import gzip
import json

import pytest

from app.dashboard.addresses import PREFIX
from app.server import wsgi
from tests.dashboard.visitor import Visitor


@pytest.fixture
def engine() -> str:
    """No database is asked here."""
    return "sqlite"


def test_people_are_led_to_the_dashboard(admin: Visitor) -> None:
    response = admin.request("GET", "/")
    assert (response.status, response.location) == (303, "/dashboard")


def test_programs_are_told_where_the_api_is(admin: Visitor) -> None:
    response = admin.request("GET", "/", accept="*/*")
    assert json.loads(response.body)["data"]["map"] == "/api"


def test_below_a_folder_all_addresses_are(admin: Visitor) -> None:
    admin.root = "/my queue"
    assert admin.request("GET", "/").location == "/my%20queue/dashboard"
    page = admin.get()
    assert page.select('link[rel="stylesheet"]')["href"].startswith(
        "/my%20queue/dashboard/static/style.css?v="
    )


def test_the_icon_is_where_browsers_look_for_it(admin: Visitor) -> None:
    icon = admin.follow(admin.request("GET", "/favicon.ico"))
    assert icon.headers["Content-Type"] == "image/svg+xml"


def test_nothing_is_at_an_unknown_address(admin: Visitor) -> None:
    page = admin.get("/no-such-page")
    assert (page.status, page.title) == (404, "Page not found")


@pytest.mark.parametrize("name", ["../visit.py", "..%2fvisit.py", "style.txt", "x.css", "a%00.css"])
def test_only_static_files_are_served(admin: Visitor, name: str) -> None:
    assert admin.get(f"/static/{name}").status == 404


def test_a_file_with_its_version_is_kept_for_a_year(admin: Visitor) -> None:
    address = str(admin.get().select('link[rel="stylesheet"]')["href"])
    kept = admin.request("GET", address)
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert admin.get("/static/style.css").headers["Cache-Control"] == "public, max-age=60"


def test_both_places_have_the_same_prefix() -> None:
    assert wsgi.PAGES == PREFIX


def test_files_are_compressed_for_browsers_that_take_it(admin: Visitor) -> None:
    plain = admin.get("/static/style.css")
    packed = admin.get("/static/style.css", accept_encoding="br, gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


def test_a_page_with_a_token_is_not_compressed(admin: Visitor) -> None:
    page = admin.get("", accept_encoding="gzip")
    assert "Content-Encoding" not in page.headers
