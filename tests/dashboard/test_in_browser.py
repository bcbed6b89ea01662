"""Every page in Chromium: on a light desk and a dark phone, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response

from app.dashboard.routes import API_DOCS, PAGES
from app.server.flask_app import create_app
from tests.api.conftest import site_of
from tests.support.browser import DESK, MILLISECONDS, PHONE, overflows, serious_violations, shot
from tests.support.net import HOST
from tests.support.sample_queue import SampleQueue
from tests.support.server import API_KEY, Server

MOST_BYTES = 60_000
"""What a page may load at the first visit, the style sheet and the script included."""

FILES = {"/static/{name}", "/tasks/{id}/params", "/tasks/{id}/result", "/tasks/{id}/error"}
"""What is saved and not shown."""

VIEWS: tuple[tuple[str, Any, Literal["light", "dark"]], ...] = (
    ("desk", DESK, "light"),
    ("phone", PHONE, "dark"),
)
"""Each size and each colour, not each with each: colours move nothing, and sizes colour nothing."""

TEMPLATES = sorted({page.template for page in PAGES if page.method == "GET"} - FILES)
SIGN_IN = "/sign-in"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A queue with an hour behind it."""
    path = tmp_path_factory.mktemp("sample") / "queue.sqlite3"
    site = site_of(f"sqlite:///{path}")
    SampleQueue(site, create_app(site)).fill()
    return path


@pytest.fixture(scope="module")
def server(sample: Path) -> Iterator[Server]:
    with Server({"DATABASE_URL": f"sqlite:///{sample}", "API_KEY": API_KEY}) as server:
        yield server


@pytest.fixture(scope="module")
def addresses(server: Server) -> dict[str, str]:
    """An address for each page, by its template; a page that has no entry here fails the tests."""
    failed = server.api("GET", "/tasks?status=failed&limit=1").json["data"]["tasks"][0]
    values = {
        "/schedules/{name}": "sync orders",
        "/schedules/{name}/edit": "sync orders",
        "/workers/{name}": "laptop-1",
        "/types/{name}": "shop.mail",
        "/tasks/{id}": str(failed["id"]),
        "/tasks/{id}/edit": str(failed["id"]),
    }
    found = {template: _filled(template, values) for template in TEMPLATES}
    return {**found, "the form for a new task": "/tasks/new?type=shop.thumbnail"}


def _filled(template: str, values: dict[str, str]) -> str:
    before, brace, rest = template.partition("{")
    if not brace:
        return template
    return before + quote(values[template]) + rest.partition("}")[2]


def root(server: Server) -> str:
    return f"http://{HOST}:{server.port}"


def signed_in(
    browser: Browser, server: Server, size: Any, dark: bool = False, javascript: bool = True
) -> BrowserContext:
    """A browser in which the owner has signed in with the root key, by the form."""
    context = browser.new_context(
        java_script_enabled=javascript,
        viewport=size,
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="Europe/Prague",
    )
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    page.goto(root(server) + "/")
    page.locator("#secret").fill(API_KEY)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.close()
    return context


def watched(context: BrowserContext) -> tuple[Page, list[str], list[Response]]:
    """A page, what goes wrong in it, and what it loads."""
    page = context.new_page()
    troubles: list[str] = []
    responses: list[Response] = []

    def keep(response: Response) -> None:
        responses.append(response)

    page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("response", keep)
    return page, troubles, responses


def test_every_page_is_sound(browser: Browser, server: Server, addresses: dict[str, str]) -> None:
    """Loaded once, looked at on a desk and on a phone, each in a colour of its own: sizes and
    colours are the style sheet's alone. axe-core looks at the reference in its own test.
    """
    context = signed_in(browser, server, DESK)
    page, troubles, responses = watched(context)
    wrong: dict[str, Any] = {}
    for template, address in addresses.items():
        troubles.clear()
        responses.clear()
        response = page.goto(f"{root(server)}/dashboard{address}")
        assert response is not None
        loaded = sum(each.request.sizes()["responseBodySize"] for each in responses)
        found: dict[str, Any] = {"status": response.status if response.status != 200 else None}
        for name, size, colours in VIEWS:
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=colours)
            found[f"axe on a {name}"] = template != API_DOCS and serious_violations(page)
            found[f"sideways on a {name}"] = overflows(page)
        found["errors"] = list(troubles)
        found["bytes"] = loaded if loaded > MOST_BYTES else None
        if any(found.values()):
            wrong[template] = found
    context.close()
    assert wrong == {}


def test_every_page_is_there_without_javascript(
    browser: Browser, server: Server, addresses: dict[str, str]
) -> None:
    context = signed_in(browser, server, DESK, javascript=False)
    page = context.new_page()
    for template, address in addresses.items():
        response = page.goto(f"{root(server)}/dashboard{address}")
        assert response is not None
        assert response.status == 200, template
        assert page.locator("h1").count() == 1, template
        for _, size, _ in VIEWS:
            page.set_viewport_size(size)
            assert page.locator("[data-needs-script]:visible").count() == 0, template
    context.close()


def test_a_page_that_is_open_follows_the_queue(browser: Browser, server: Server) -> None:
    """Its script asks again; a part in use is left alone."""
    context = signed_in(browser, server, DESK)
    page = context.new_page()
    page.clock.install()
    page.goto(root(server) + "/dashboard")
    before = page.locator("#tiles b").first.inner_text()
    params = {"to": "new@example.org", "template": "welcome"}
    server.api("POST", "/tasks", {"type": "shop.mail", "params": params})
    page.clock.run_for(16_000)
    changed = "before => document.querySelector('#tiles b').textContent != before"
    page.wait_for_function(changed, arg=before)
    assert int(page.locator("#tiles b").first.inner_text()) == int(before) + 1
    context.close()


def test_times_are_in_the_zone_of_the_viewer(browser: Browser, server: Server) -> None:
    context = signed_in(browser, server, DESK)
    page = context.new_page()
    page.goto(root(server) + "/dashboard/schedules/sync%20orders")
    time = page.locator("#next time").first
    title = str(time.get_attribute("title"))
    assert title.endswith(" UTC")
    utc, shown = title[11:13], time.inner_text().split(", ")[1][:2]
    assert (int(shown) - int(utc)) % 24 in (1, 2)
    context.close()


def test_pictures_for_the_documents(browser: Browser, server: Server) -> None:
    for size, dark, name in ((DESK, False, "dashboard"), (PHONE, True, "dashboard-phone")):
        context = signed_in(browser, server, size, dark)
        page = context.new_page()
        page.goto(root(server) + "/dashboard")
        assert page.locator("#activity svg rect").count() > 10
        shot(page, name)
        context.close()
