"""The user's whole way in a real browser: upload, browse, install, use, delete."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.deploy.archives import PYTHON, bundle
from tests.deploy.hosting_account import HostingAccount
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST
from tests.support.server import PROJECT

IMAGES = PROJECT / "docs" / "images"
SECONDS = 120_000  # milliseconds, as the browser counts
DENIED = "tm_partial"  # a user who lacks a right


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[HostingAccount]:
    kind, _, folder = str(request.param).partition("-")
    with HostingAccount(kind, "/queue" if folder else "") as account:
        yield account


def shot(page: Page, name: str) -> None:
    """A picture for the documentation, when PICTURES is set."""
    if not os.environ.get("PICTURES"):
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=True)


def open_page(browser: Browser, url: str, javascript: bool = True) -> Page:
    context = browser.new_context(
        java_script_enabled=javascript, viewport={"width": 900, "height": 700}
    )
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    page.goto(url)
    return page


def prove(page: Page, account: HostingAccount) -> None:
    name = page.inner_text("#proof")
    page.get_by_role("button", name="I have created the file").click()
    assert "no file with this name" in page.inner_text(".error")
    assert page.inner_text("#proof") == name
    account.create(name)
    page.get_by_role("button", name="I have created the file").click()
    page.get_by_role("button", name="Install").wait_for()
    assert not (account.web_folder / name).exists()


def fill(page: Page, **values: str) -> str:
    """Fill in the form of the database and send it: the error that it brings."""
    page.get_by_label("MySQL or MariaDB").check()
    for name, value in values.items():
        page.fill(f"#{name}", value)
    page.get_by_role("button", name="Test and continue").click()
    page.locator(".error").wait_for()
    return page.inner_text(".error")


def go_on_until(page: Page, selector: str) -> None:
    """Press the button again and again, as one must without script."""
    for _ in range(60):
        if page.locator(selector).count():
            return
        page.get_by_role("button", name="Continue").click()
    raise AssertionError(page.content())


def use(page: Page, account: HostingAccount) -> None:
    """The printed lines, exactly as they are printed, and the task that comes of them."""
    curl, cron = page.inner_text("#curl"), page.inner_text("#cron")
    added = account.run(curl)
    found = re.search(r'"id":(\d+)', added.stdout)
    assert found, added
    schedule, command = " ".join(cron.split()[:5]), " ".join(cron.split()[5:])
    assert schedule == "* * * * *"
    assert command.startswith(PYTHON)
    done = account.run(command)
    assert done.returncode == 0, done
    status, response = account.call("GET", f"/tasks/{found[1]}")
    assert (status, response["data"]["status"]) == (200, "completed")
    assert response["data"]["result"] == {"echoed": "hello"}, response


def finish(page: Page, account: HostingAccount) -> None:
    """Key once, lock, delete."""
    key = page.inner_text("#key")
    assert key == account.api_key()
    use(page, account)
    page.reload()
    assert key not in page.content()
    stranger = open_page(page.context.browser, account.page)  # type: ignore[arg-type]
    assert "locked" in stranger.content()
    assert account.url not in stranger.inner_text("body")
    stranger.close()
    page.get_by_role("button", name="Delete deploy.py").click()
    assert "gone" in page.inner_text("main")
    assert sorted(path.name for path in account.web_folder.glob("taskmanager-*")) == []
    assert not (account.web_folder / "deploy.py").exists()
    assert page.goto(account.page).status == 404  # type: ignore[union-attr]


@pytest.mark.parametrize("account", ["cgi", "passenger-folder"], indirect=True)
def test_mariadb_with_every_wrong_entry_first(
    browser: Browser, account: HostingAccount, mariadb: MariaDB
) -> None:
    mariadb.create_database("tm_browser")
    limit_user(mariadb)
    account.upload_installer()
    account.upload(bundle())
    page = open_page(browser, account.page)
    is_first = account.apache._kind == "cgi" and not account.base
    if is_first:
        shot(page, "install-1-ownership")
    prove(page, account)
    if is_first:
        shot(page, "install-2-checks")
    page.get_by_role("button", name="Install").click()
    page.locator("#host").wait_for()
    if is_first:
        shot(page, "install-3-database")

    right = {"host": f"{HOST}:{mariadb.port}", "name": "tm_browser", "user": USER}
    right["password"] = PASSWORD
    wrong_password = fill(page, **{**right, "password": "wrong"})
    assert "refuses this password" in wrong_password
    if is_first:
        shot(page, "install-4-wrong-password")
    assert page.input_value("#name") == "tm_browser"
    assert page.input_value("#password") == ""
    assert "No database server answers" in fill(page, **{**right, "host": f"{HOST}:1"})
    assert "No database server answers" in fill(page, **{**right, "host": "no-such-host.invalid"})
    assert "has no database tm_missing" in fill(page, **{**right, "name": "tm_missing"})
    assert "may not use the database other" in fill(page, **{**right, "name": "other"})
    lacking = fill(page, **{**right, "user": DENIED})
    assert "lacks the privilege ALTER, INDEX" in lacking
    assert "fill in the database's name" in fill(page, **{**right, "name": ""})

    for name, value in right.items():
        page.fill(f"#{name}", value)
    page.get_by_role("button", name="Test and continue").click()
    page.locator("#key").wait_for()
    if is_first:
        shot(page, "install-5-ready")
    assert mariadb.client("SHOW TABLES LIKE 'taskmanager_probe'", "tm_browser") == ""
    finish(page, account)
    assert "DB_NAME = 'tm_browser'" in (account.home / "config.py").read_text()


@pytest.mark.parametrize("account", ["cgid-folder", "passenger"], indirect=True)
def test_sqlite_without_javascript_on_a_phone(browser: Browser, account: HostingAccount) -> None:
    account.upload_installer("correct horse")
    account.upload(bundle())
    page = open_page(browser, account.page, javascript=False)
    page.set_viewport_size({"width": 360, "height": 640})
    page.fill("#password", "wrong horse")
    page.get_by_role("button", name="Continue").click()
    assert "not the password" in page.inner_text(".error")
    page.fill("#password", "correct horse")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Install").click()
    go_on_until(page, "#host")
    # Nothing sticks out of a phone's screen.
    widths = [box["width"] for box in (page.locator("main").bounding_box(),) if box]
    assert widths
    assert max(widths) <= 360
    page.get_by_label("SQLite").check()
    page.get_by_role("button", name="Test and continue").click()
    go_on_until(page, "#key")
    assert not page.locator("button[data-copy]").first.is_visible()
    finish(page, account)


def limit_user(mariadb: MariaDB) -> None:
    """A user who may do everything but alter tables and make indexes."""
    rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP"
    mariadb.client(
        "".join(
            f"CREATE OR REPLACE USER '{DENIED}'@'{host}' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT {rights} ON `tm_browser`.* TO '{DENIED}'@'{host}';"
            for host in (HOST, "localhost")
        )
    )


def test_the_pictures_are_there() -> None:
    names = {path.name for path in Path(IMAGES).glob("install-*.png")}
    assert {f"install-{word}.png" for word in ("1-ownership", "2-checks", "5-ready")} <= names
