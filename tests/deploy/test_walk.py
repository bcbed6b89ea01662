"""A person's way through the installer, on a phone and on a wide screen, with every mistake.

PICTURES=folder keeps a picture of each page there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from app.dashboard.signing_in import first_task
from tests.deploy.archives import VERSION, bundle, variant
from tests.deploy.hosting_account import HostingAccount, installed_account, upload_bundle
from tests.deploy.test_browser import DENIED, limit_user
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST
from tests.support.server import PROJECT

SECONDS = 120_000  # milliseconds, as the browser counts
WIDTHS, HEIGHT = (1440, 390), 844  # a wide screen; a phone, on which the person goes on
BROKEN = {"app/queue/create.py": "raise RuntimeError('broken')\n"}


@pytest.fixture(scope="module")
def later() -> Iterator[Path]:
    """Archives of other versions: one that works, one that does not, one that is older."""
    folder = Path(tempfile.mkdtemp(prefix="tm-later-"))
    variant(folder, "9.1.0")
    variant(folder, "9.2.0", BROKEN)
    variant(folder, "0.0.9")
    yield folder
    shutil.rmtree(folder)


# Tells of the list of steps whenever it changes without a page being loaded.
WATCH = """
addEventListener("DOMContentLoaded", function () {
  var list = document.querySelector("ol.steps");
  function tell() {
    note([...list.querySelectorAll("li > span")].map(each => each.textContent));
  }
  if (list) new MutationObserver(tell).observe(list, {childList: true, subtree: true});
});
"""


class Walk:
    """One page in one browser, whose every state fits into a phone's width and a wide screen's."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._number = 0
        context = browser.new_context(viewport={"width": WIDTHS[-1], "height": HEIGHT})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(SECONDS)
        self.words: list[list[str]] = []
        context.expose_function("note", self._note)
        context.add_init_script(WATCH)
        self.page: Page = context.new_page()
        self.page.goto(url)

    def _note(self, words: list[str]) -> None:
        self.words.append(words)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def look(self, name: str) -> None:
        """Nothing sticks out, every control has a name; a picture where one is wanted."""
        self._number += 1
        folder = os.environ.get("PICTURES")
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            if folder:
                path = Path(folder) / f"{width}-{self._number:02}-{name}.png"
                self.page.screenshot(path=path, full_page=True)
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width
        unnamed = self.page.evaluate(
            """[...document.querySelectorAll("input:not([type=hidden]), textarea, progress")]
               .filter(each => !each.labels.length).map(each => each.outerHTML)"""
        )
        assert unnamed == []

    def focused(self) -> str:
        """What has the focus, now that an error is shown."""
        self.page.locator(".error").wait_for()
        return str(self.page.evaluate("document.activeElement.id || document.activeElement.role"))

    def has(self, text: str) -> bool:
        return text in self.page.inner_text("main")

    def enter(self, **values: str) -> None:
        for name, value in values.items():
            self.page.fill(f"#{name}", value)
        self.press("Test and continue")

    def assert_wrong(self, field: str, sentence: str) -> None:
        """This field has the focus and says what is wrong with it, and no other does."""
        self.page.locator(f"#{field}[aria-invalid=true]").wait_for()
        assert self.page.locator("[aria-invalid]").count() == 1
        about = self.page.get_attribute(f"#{field}", "aria-describedby") or ""
        assert f"{field}-error" in about.split()
        assert sentence in self.page.inner_text(f"#{field}-error")
        assert self.page.locator(".error").count() == 1
        assert self.focused() == field

    def prove(self, account: HostingAccount) -> None:
        name = self.page.inner_text("#proof")
        account.create(name)
        self.press("I have created the file")
        self.page.locator("ul.checks").wait_for()

    def wait_for_title(self, title: str) -> None:
        self.page.get_by_role("heading", name=title, exact=True).wait_for()


def test_every_mistake_and_the_installation(browser: Browser, mariadb: MariaDB) -> None:
    mariadb.create_database("tm_browser")
    limit_user(mariadb)
    mariadb.create_database("tm_crowded")
    mariadb.client("CREATE TABLE tasks (id INT PRIMARY KEY, title VARCHAR(50))", "tm_crowded")
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        walk = Walk(browser, account.page)
        page = walk.page
        walk.look("ownership")
        walk.press("Copy")
        name = page.inner_text("#proof")
        assert page.evaluate("navigator.clipboard.readText()") == name
        walk.press("I have created the file")
        assert walk.focused() == "alert"
        walk.look("ownership-no-file")
        walk.prove(account)
        assert walk.has("There is none.")
        walk.look("checks-no-archive")
        account.upload(bundle())
        walk.press("Check again")
        page.get_by_role("button", name="Install", exact=True).wait_for()
        walk.look("checks")
        seen = watch_steps(walk, "Install", "#host")
        for done in (1, 2, 3):
            assert [*["done"] * done, "now"] in [words[: done + 1] for words in seen], seen
        walk.look("database")

        right = {"host": f"{HOST}:{mariadb.port}", "name": "tm_browser", "user": USER}
        right["password"] = PASSWORD
        make_every_mistake(walk, right)
        page.get_by_label("SQLite").check()
        assert not page.locator("#host").is_visible()
        walk.look("database-sqlite")
        page.get_by_label("MySQL or MariaDB").check()
        assert page.input_value("#name") == right["name"]
        walk.enter(**right)
        page.locator("#key").wait_for()
        assert walk.has(f"TaskManager {VERSION} serves")
        walk.look("ready")
        page.locator("#key + button").click()
        assert page.evaluate("navigator.clipboard.readText()") == account.api_key()
        # Pages by http:// have no clipboard.
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {configurable: true})")
        page.locator("#cron + button").click()
        page.locator("#cron + button", has_text="Copied").wait_for()
        page.evaluate("delete navigator.clipboard")
        assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#cron")
        see_the_first_task(walk, account)
        walk.press("Delete deploy.py and the archive")
        walk.wait_for_title("Deleted")
        walk.look("deleted")
        page.context.close()


def see_the_first_task(walk: Walk, account: HostingAccount) -> None:
    """In the dashboard, which the last page opens beside itself."""
    page = walk.page
    page.fill("#dashboard-password", "short")
    walk.press("Open the dashboard")
    assert len(page.context.pages) == 1, "the browser itself says that it is too short"
    page.fill("#dashboard-password", "correct horse battery")
    with page.context.expect_page() as opened:
        walk.press("Open the dashboard")
    dashboard = opened.value
    dashboard.wait_for_url(f"{account.url}/dashboard**")
    assert first_task.DONE in dashboard.inner_text("main")
    dashboard.goto(f"{account.url}/dashboard/sessions")
    assert "Signed in as owner" in dashboard.inner_text("body")
    dashboard.close()
    assert page.inner_text("#key") == account.api_key()


def make_every_mistake(walk: Walk, right: dict[str, str]) -> None:
    """In the form of the database; `right` would do."""
    page = walk.page
    walk.enter(**{**right, "name": ""})
    walk.assert_wrong("name", "fill in the database's name")
    assert page.input_value("#password") == PASSWORD
    walk.look("database-no-name")
    walk.enter(**{**right, "host": f"{HOST}:1"})
    walk.assert_wrong("host", "No database server answers")
    assert page.input_value("#password") == PASSWORD
    walk.look("database-wrong-host")
    walk.enter(**{**right, "password": "wrong"})
    walk.assert_wrong("password", "refuses this password")
    assert page.input_value("#password") == ""
    walk.look("database-wrong-password")
    walk.enter(**{**right, "name": "tm_missing"})
    walk.assert_wrong("name", "has no database tm_missing")
    walk.enter(**{**right, "user": DENIED})
    walk.assert_wrong("user", "lacks the privilege ALTER, INDEX")
    walk.look("database-few-rights")
    walk.enter(**{**right, "name": "tm_crowded"})
    walk.assert_wrong("prefix", "tables of another program: tasks")
    walk.look("database-other-program")
    page.fill("#prefix", "tm-")
    walk.press("Test and continue")
    walk.assert_wrong("prefix", "letters, digits and underscores")
    page.fill("#prefix", "")
    walk.enter(**{**right, "host": "localhost"})
    # Where a server of the machine's own listens, it refuses the user.
    page.locator("#host-error, #password-error").wait_for()
    assert "Tried: " in page.inner_text(".error")
    walk.look("database-localhost")


def test_upgrades_and_the_way_back(browser: Browser, later: Path) -> None:
    with installed_account("cgi", "/queue") as account:
        (account.web_folder / bundle().name).unlink()

        account.upload_installer()
        upload_bundle(account, later / "taskmanager-9.2.0.zip")
        walk = Walk(browser, account.page)
        page = walk.page
        walk.prove(account)
        assert walk.has(f"Version {VERSION} serves this site now.")
        assert not walk.has("Go back")
        walk.look("upgrade-checks")
        walk.press("Upgrade to 9.2.0")
        walk.wait_for_title("The upgrade failed")
        assert walk.has(f"Version {VERSION} serves this site now.")
        assert walk.has("MB freed")
        assert walk.focused() == "alert"
        walk.look("upgrade-refused")
        assert installed_versions(account) == [VERSION]
        walk.press(f"Keep version {VERSION}")
        page.locator("ul.checks").wait_for()
        assert installed_versions(account) == [VERSION]

        (account.web_folder / "taskmanager-9.2.0.zip").unlink()
        account.upload(later / "taskmanager-0.0.9.zip")
        walk.press("Check again") if walk.has("Check again") else page.reload()
        assert walk.has("is older than what is installed")
        assert not walk.has("Upgrade")
        walk.look("older-archive")

        (account.web_folder / "taskmanager-0.0.9.zip").unlink()
        upload_bundle(account, later / "taskmanager-9.1.0.zip")
        page.reload()
        seen = watch_steps(walk, "Upgrade to 9.1.0", 'h1:has-text("TaskManager is upgraded")')
        for done in (1, 2, 3, 4):
            assert [*["done"] * done, "now"] in [words[: done + 1] for words in seen], seen
        assert walk.has("TaskManager 9.1.0 serves")
        walk.look("upgraded")
        assert installed_versions(account) == [VERSION, "9.1.0"]
        walk.press(f"Go back to {VERSION}")
        walk.wait_for_title(f"TaskManager is back at {VERSION}")
        assert account.call("GET", "/health")[1]["version"] == VERSION
        walk.look("back")
        page.reload()
        walk.wait_for_title(f"TaskManager is back at {VERSION}")
        walk.press("Delete deploy.py and the archive")
        walk.wait_for_title("Deleted")
        page.context.close()


def watch_steps(walk: Walk, button: str, end: str) -> list[list[str]]:
    """Press a button: the words before the steps, one list for each change, until the end."""
    walk.words.clear()
    walk.press(button)
    if os.environ.get("PICTURES"):
        walk.page.wait_for_timeout(4000)
        walk.look("steps")
    walk.page.locator(end).wait_for()
    return walk.words


def installed_versions(account: HostingAccount) -> list[str]:
    """The versions whose files are there."""
    folder = account.home / "releases"
    return sorted(path.name.rpartition("-")[0] or path.name for path in folder.iterdir())


def test_the_pages_need_no_other_server() -> None:
    text = (PROJECT / "deploy.py").read_text("utf-8")
    assert 'src="' not in text
    assert "@import" not in text
