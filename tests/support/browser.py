"""Chromium, as a person uses it: sizes, colours, with and without JavaScript; and axe-core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.server import PROJECT

IMAGES = PROJECT / "docs" / "images"
MILLISECONDS = 60_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def open_page(
    browser: Browser, url: str, size: Any = DESK, dark: bool = False, javascript: bool = True
) -> Page:
    """A page in a browser of its own, without anybody's cookies."""
    context = browser.new_context(
        java_script_enabled=javascript,
        viewport=size,
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="Europe/Prague",
    )
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    page.goto(url)
    return page


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page, a line each; it needs JavaScript."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def overflows(page: Page) -> bool:
    """Whether a page has to be moved sideways to be read."""
    width = "document.documentElement"
    # Right after a click the page before may be gone and the next one not there yet.
    page.wait_for_function(f"{width} !== null && document.readyState === 'complete'")
    return bool(page.evaluate(f"{width}.scrollWidth > {width}.clientWidth"))


def shot(page: Page, name: str) -> None:
    """A picture for the documentation, when PICTURES is set."""
    if os.environ.get("PICTURES"):
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
