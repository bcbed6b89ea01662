"""Signing in and out with Chromium: on a phone and a desk, light and dark, script or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import DESK, PHONE, open_page, overflows, serious_violations
from tests.support.net import HOST
from tests.support.server import Server

PASSWORD = "correct horse battery"


@pytest.fixture
def engine() -> str:
    """What the browser shows is the same on each."""
    return "sqlite"


@pytest.fixture
def address(server: Server) -> str:
    return server.url[: -len("/api")]


@pytest.fixture
def other_site() -> Iterator[list[str]]:
    """Another site: its address, then the pages that it shows."""
    pages: list[str] = [""]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages[-1].encode())

        def log_message(self, *_: Any) -> None:
            pass

    site = HTTPServer((HOST, 0), Handler)
    # To the browser another name is another site.
    pages[0] = f"http://localhost:{site.server_port}/"
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield pages
    site.shutdown()
    thread.join()
    site.server_close()


def sign_in(page: Page, secret: str) -> None:
    page.locator("#secret").fill(secret)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_in_and_out(
    browser: Browser, server: Server, address: str, size: Any, dark: bool, javascript: bool
) -> None:
    page = open_page(browser, f"{address}/dashboard/sessions", size, dark, javascript)

    def look() -> None:
        assert not overflows(page)
        if javascript:
            assert serious_violations(page) == []

    look()
    sign_in(page, "a wrong guess")
    assert "neither the password nor" in page.inner_text("#secret-error")
    look()
    sign_in(page, server.api_key)
    page.get_by_role("heading", name="Sessions", exact=True).wait_for()
    assert page.url == f"{address}/dashboard/sessions"
    look()
    page.fill("#current", server.api_key)
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_text("The password is set.").wait_for()
    cookies = {each["name"]: each for each in page.context.cookies()}
    assert cookies["taskmanager"]["httpOnly"]
    assert cookies["taskmanager"]["sameSite"] == "Lax"
    page.get_by_role("button", name="Sign out everywhere").click()
    look()
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_text("Signed out: everybody.").wait_for()
    sign_in(page, PASSWORD)
    page.get_by_role("heading", name="Overview").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    page.go_back()
    page.reload()
    assert page.get_by_label("Password or API key").count() == 1
    page.context.close()


def test_another_site_gets_nowhere(
    browser: Browser, server: Server, address: str, other_site: list[str]
) -> None:
    """It frames a page, and sends forms, in the browser of somebody who is signed in."""
    page = open_page(browser, f"{address}/dashboard/sign-in")
    sign_in(page, server.api_key)
    page.get_by_role("heading", name="Overview").wait_for()

    other_site.append(f'<iframe src="{address}/dashboard"></iframe>')
    page.goto(other_site[0])
    assert page.frames[1].get_by_role("heading").count() == 0

    target = f"{address}/dashboard/sessions/end-all"
    other_site.append(
        f'<form method="post" action="{target}"><input name="confirmed" value="yes">'
        "<button>Win</button></form>"
    )
    page.goto(other_site[0])
    page.get_by_role("button").click()
    page.wait_for_url(f"{address}/**")
    page.goto(f"{address}/dashboard/sessions")
    page.get_by_role("heading", name="Sessions", exact=True).wait_for()
    page.context.close()
