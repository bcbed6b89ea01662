"""The page about the API: for anybody, without third parties, with or without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from werkzeug.test import Client

from app.api.routes import ROUTES
from app.config import from_values
from app.server.flask_app import create_app
from app.site import Site
from tests.api.addresses import template
from tests.api.caller import as_served
from tests.dashboard.visitor import PageSeen, Visitor
from tests.support.browser import DESK, PHONE, open_page, overflows, serious_violations
from tests.support.server import Server

HOST = "queue.example.com"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path_factory.mktemp('docs')}/queue.sqlite3"
    site = Site(from_values({"DATABASE_URL": url, "API_KEY": "k" * 24}))
    yield site
    site.db.close()


@pytest.fixture(scope="module")
def page(site: Site) -> PageSeen:
    return Visitor(site, "/tm").request("GET", "/api/docs", host=HOST)


def test_nobody_has_to_sign_in(page: PageSeen) -> None:
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_it_is_at_both_addresses_whatever_serves(site: Site) -> None:
    flask_app = create_app(site)
    for application in (flask_app, as_served(site, flask_app)):
        for path in ("/api/docs", "/api/docs/"):
            response = Client(application).get(path)
            assert response.status_code == 200
            assert "The API of TaskManager" in response.text


def test_each_call_has_its_curl_line_with_the_address_of_the_site(page: PageSeen) -> None:
    lines = page.all("pre.curl")
    assert len(lines) == len(ROUTES)
    assert all(f"http://{HOST}/tm/api" in line for line in lines)
    assert "https://example.com" not in page.text


@pytest.mark.parametrize("route", ROUTES, ids=template)
def test_each_call_is_at_the_side(page: PageSeen, route: object) -> None:
    calls = {str(each["data-words"]) for each in page.soup.select("a.call")}
    assert [each for each in calls if each.startswith(f"{template(route)} ")]


def test_every_anchor_leads_somewhere(page: PageSeen) -> None:
    ids = [str(each["id"]) for each in page.soup.select("[id]")]
    links = {str(each["href"])[1:] for each in page.soup.select('a[href^="#"]')}
    assert links - set(ids) == set()
    assert len(ids) == len(set(ids))


def test_no_markdown_is_left(page: PageSeen) -> None:
    prose = " ".join(each.get_text() for each in page.soup.select("p, li, td, h2, h3, h4"))
    assert not re.search(r"\*\*|\]\(|^\||```", prose)


def test_nothing_is_inline_and_nothing_is_from_elsewhere(page: PageSeen) -> None:
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.soup.select("style, [style], script:not([src])") == []
    assert [tag for tag in page.soup.find_all() if any(a.startswith("on") for a in tag.attrs)] == []
    loaded = [str(each.get("src") or each["href"]) for each in page.soup.select("script, link")]
    assert [each for each in loaded if not each.startswith("/tm/dashboard/static/")] == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestInABrowser:
    @pytest.mark.parametrize(
        ("size", "dark"), [(PHONE, True), (DESK, False)], ids=["phone, dark", "desk, light"]
    )
    def test_it_can_be_read(
        self, browser: Browser, server: Server, size: dict[str, int], dark: bool
    ) -> None:
        page = open_page(browser, f"{server.url}/docs", size, dark)
        assert not overflows(page)
        assert serious_violations(page) == []

    def test_the_box_filters_the_calls(self, browser: Browser, server: Server) -> None:
        page = open_page(browser, f"{server.url}/docs")
        page.fill("#filter", "post heartbeat")
        shown = page.locator("a.call:visible").all_inner_texts()
        assert len(shown) == 5
        assert all("heartbeat" in each for each in shown)
        page.fill("#filter", "no such call")
        assert page.is_visible("#none")

    def test_without_javascript_there_is_no_box(self, browser: Browser, server: Server) -> None:
        page = open_page(browser, f"{server.url}/docs", javascript=False)
        assert not page.is_visible("#filter")
        page.click('a.call[href="#post-tasksclaim"]')
        assert page.url.endswith("#post-tasksclaim")
