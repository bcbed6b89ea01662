"""Upgrades by the installer: what works is kept, what does not goes back by itself."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.install.build import build_of
from tests.deploy.archives import VERSION, variant
from tests.deploy.hosting_account import HostingAccount, installed_account, lines, upload_bundle
from tests.deploy.visitor import Visitor, press_until
from tests.support import later
from tests.support.server import PROJECT


@pytest.fixture(scope="module")
def installed() -> Iterator[HostingAccount]:
    """One site for the tests that only change which version serves."""
    with installed_account() as account:
        yield account


@pytest.fixture(scope="module")
def newer() -> Iterator[Path]:
    """Archives of later versions: two that work, and three that do not."""
    folder = Path(tempfile.mkdtemp(prefix="tm-newer-"))
    variant(folder, "9.1.0")
    variant(folder, "9.2.0", {"app/queue/create.py": "raise RuntimeError('broken')\n"})
    variant(folder, "9.2.1", LEAKING)
    variant(folder, "9.2.2", {**later.edited(PROJECT), **BROKEN_ON_APACHE})
    variant(folder, "9.3.0")
    yield folder
    shutil.rmtree(folder)


# Works in the rehearsal, and fails once it serves.
BROKEN_ON_APACHE = {
    "app/server/entry.py": (PROJECT / "app" / "server" / "entry.py").read_text("utf-8")
    + """
if "Apache" in os.environ.get("SERVER_SOFTWARE", ""):
    raise RuntimeError("does not like Apache")
"""
}

# An .htaccess with the usual condition "serve the file if there is one": the API works.
LAST_RULE = "RewriteRule ^ %{ENV:ENTRY_BASE}index.cgi [L]"
ENTRY = (PROJECT / "app" / "install" / "entry.py").read_text("utf-8")
LEAKING = {
    "app/install/entry.py": ENTRY.replace(
        LAST_RULE, f"RewriteCond %{{REQUEST_FILENAME}} !-f\n{LAST_RULE}"
    )
}


class TestUpgrades:
    def test_a_newer_archive_keeps_everything(self, installed: HostingAccount, newer: Path) -> None:
        key = installed.api_key()
        kind = {"name": "kept.task", "version": "1", "param_schema": {}}
        installed.call("POST", "/task-types/register", kind)
        kept = installed.call("POST", "/tasks", {"type": "kept.task", "params": {"n": 1}})[1]
        upload_bundle(installed, newer / "taskmanager-9.1.0.zip")
        done = installed.install(None, "--json")
        assert done.returncode == 0, done
        assert lines(done.stdout)[-1]["status"] == "upgraded"
        assert installed.call("GET", "/health")[1]["version"] == "9.1.0"
        assert installed.api_key() == key
        assert installed.call("GET", f"/tasks/{kept['data']['id']}")[0] == 200

    @pytest.mark.parametrize(
        ("version", "step", "sentence"),
        [
            ("9.2.0", "upgrade", "was not put into service"),
            ("9.2.1", "selftest", "/.htaccess can be downloaded by anybody"),
            ("9.2.2", "upgrade", "does not work: its health is answered with 503"),
        ],
        ids=["anywhere", "files exposed", "on this server"],
    )
    def test_one_that_does_not_work_is_rolled_back(
        self, installed: HostingAccount, newer: Path, version: str, step: str, sentence: str
    ) -> None:
        serving = (installed.home / "current").read_text()
        entry = (installed.web_folder / ".htaccess").read_text()
        kind = {"name": "before.rollback", "version": "1", "param_schema": {}}
        installed.call("POST", "/task-types/register", kind)
        task = {"type": "before.rollback", "params": {"version": version}}
        kept = installed.call("POST", "/tasks", task)[1]["data"]["id"]
        upload_bundle(installed, newer / f"taskmanager-{version}.zip")
        done = installed.install(None, "--json")
        assert done.returncode == 4, done
        end = lines(done.stdout)[-1]
        assert (end["status"], end["step"]) == ("failed", step)
        assert "MB freed" in end["error"]
        assert not (
            installed.home / "releases" / build_of(newer / f"taskmanager-{version}.zip")
        ).exists()
        assert sentence in end["error"]
        assert ("serves again, as before" in end["error"]) is (version != "9.2.0")
        assert (installed.home / "current").read_text() == serving
        assert (installed.web_folder / ".htaccess").read_text() == entry
        live(installed, kept)
        (installed.web_folder / f"taskmanager-{version}.zip").unlink()

    def test_an_older_one_is_refused(self, installed: HostingAccount) -> None:
        for path in installed.web_folder.glob("taskmanager-9*"):
            path.unlink()
        serving = (installed.home / "current").read_text()
        done = installed.install()
        assert done.returncode == 2
        assert "older than what is installed" in done.stderr
        assert (installed.home / "current").read_text() == serving


def live(account: HostingAccount, task_id: int) -> None:
    """The site works, by the version of the first upgrade, with a task that was there before."""
    status, health = account.call("GET", "/health")
    assert (status, health["version"]) == (200, "9.1.0")
    assert account.apache.request("GET", f"{account.base}/.htaccess").status in (403, 404)
    claim = {"worker_id": "w", "task_types": ["before.rollback"], "limit": 1}
    (task,) = account.call("POST", "/tasks/claim", claim)[1]["data"]["tasks"]
    assert task["id"] == task_id
    end = {"worker_id": "w", "attempt": 1, "result": "kept"}
    assert account.call("POST", f"/tasks/{task_id}/complete", end)[0] == 200


def test_upgrades_in_the_browser(newer: Path) -> None:
    """First to a version that does not work, then to one that does; under CGI in test_walk.py."""
    with installed_account("passenger", "/queue") as account:
        key = account.api_key()
        account.upload_installer()
        upload_bundle(account, newer / "taskmanager-9.2.0.zip")

        visitor = Visitor(account.page).get()
        account.create(visitor.proof())
        visitor.post("proof")
        assert "<button>Upgrade to 9.2.0</button>" in visitor.text
        visitor.post("begin")
        press_until(visitor, "Start over")
        assert "9.2.0" in visitor.text
        assert "was not put into service" in visitor.text
        assert account.call("GET", "/health")[1]["version"] == VERSION

        (account.web_folder / "taskmanager-9.2.0.zip").unlink()
        upload_bundle(account, newer / "taskmanager-9.3.0.zip")
        visitor.post("over")
        press_until(visitor, "TaskManager is upgraded")
        assert key not in visitor.text
        assert account.call("GET", "/health")[1]["version"] == "9.3.0"
        assert account.api_key() == key
        assert Visitor(account.page).get().status == 403
        visitor.post("delete")
        assert not (account.web_folder / "deploy.py").exists()


class TestGoingBack:
    """On the site of the tests above."""

    def test_by_a_command_there_and_back(self, installed: HostingAccount) -> None:
        assert installed.call("GET", "/health")[1]["version"] == "9.1.0"
        key = installed.api_key()
        for version in (VERSION, "9.1.0"):
            done = go_back(installed)
            assert done.returncode == 0, done
            *steps, end = lines(done.stdout)
            assert [step["step"] for step in steps if step["status"] == "done"] == ["back"]
            assert (end["status"], end["url"]) == ("back", installed.url)
            assert end["release"].startswith(f"{version}-")
            assert installed.call("GET", "/health")[1]["version"] == version
            assert installed.api_key() == key
            assert "taskmanager.selftest" not in str(installed.call("GET", "/task-types"))
            for name in (".htaccess", "index.cgi", "taskmanager/config.py"):
                response = installed.apache.request("GET", f"{installed.base}/{name}")
                assert b"HOME" not in response.raw, name
                assert b"Rewrite" not in response.raw, name

    def test_a_version_before_that_does_not_work_does_not_serve(
        self, installed: HostingAccount
    ) -> None:
        before = installed.home / "releases" / (installed.home / "previous").read_text().strip()
        broken = before / "app" / "queue" / "create.py"
        text = broken.read_text("utf-8")
        broken.write_text("raise RuntimeError('broken on purpose')\n", "utf-8")
        remove_bytecode(broken)
        try:
            done = go_back(installed)
        finally:
            broken.write_text(text, "utf-8")
            installed.own()
        assert done.returncode == 4, done
        end = lines(done.stdout)[-1]
        assert (end["status"], end["step"]) == ("failed", "back")
        assert "serves on" in end["error"]
        assert installed.call("GET", "/health")[1]["version"] == "9.1.0"
        assert before.is_dir()

    def test_a_refused_version_is_none_to_go_back_to(
        self, installed: HostingAccount, newer: Path
    ) -> None:
        before = (installed.home / "previous").read_text()
        upload_bundle(installed, newer / "taskmanager-9.2.2.zip")
        done = installed.install(None, "--json")
        assert done.returncode == 4, done
        assert "MB freed" in lines(done.stdout)[-1]["error"]
        assert (installed.home / "previous").read_text() == before
        versions = {path.name.partition("-")[0] for path in installed.home.glob("releases/*")}
        assert versions == {VERSION, "9.1.0"}
        (installed.web_folder / "taskmanager-9.2.2.zip").unlink()

    def test_without_an_earlier_version(self, installed: HostingAccount) -> None:
        previous = installed.home / "previous"
        before = previous.read_text()
        previous.unlink()
        try:
            done = go_back(installed)
        finally:
            previous.write_text(before)
            installed.own()
        assert done.returncode == 2
        assert "no earlier version to go back to" in done.stderr


def go_back(account: HostingAccount) -> subprocess.CompletedProcess[str]:
    return account.install(None, "--json", mode="--back")


def remove_bytecode(path: Path) -> None:
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
