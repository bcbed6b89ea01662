"""deploy.py with the archive inside: one file to upload, and the rest as with two."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.install.build import build_one_file
from tests.deploy.archives import VERSION, bundle, one_file, variant
from tests.deploy.hosting_account import (
    HostingAccount,
    assert_closed,
    installed_account,
    upload_bundle,
)
from tests.deploy.visitor import Visitor, press_until
from tests.support.server import PROJECT


def owner(account: HostingAccount) -> Visitor:
    visitor = Visitor(account.page).get()
    account.create(visitor.proof())
    return visitor.post("proof")


def test_it_is_named_after_its_version_and_may_be_run() -> None:
    assert one_file().name == f"taskmanager-{VERSION}-deploy.py"
    assert one_file().stat().st_mode & 0o777 == 0o755
    beginning = one_file().read_text("utf-8").splitlines()[:16]
    assert "the mode 755" in "\n".join(beginning)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cgi", "deploy.py"),
        ("cgid", f"taskmanager-{VERSION}-deploy.py"),
        ("passenger", "deploy.py"),
    ],
)
def test_one_file_is_uploaded_and_deletes_itself(kind: str, name: str) -> None:
    """Also under the name that it was built with."""
    with HostingAccount(kind, "/queue", installer=name) as account:
        account.upload_installer(source=one_file())
        visitor = owner(account)
        assert f"taskmanager-{VERSION}.zip (inside {name}), version {VERSION}" in visitor.text
        visitor.post("begin")
        press_until(visitor, 'id="host"')
        visitor.post("database", engine="sqlite")
        press_until(visitor, 'id="key"')
        assert account.api_key() in visitor.text
        assert account.call("GET", "/health")[1]["version"] == VERSION
        if kind != "passenger":
            assert_closed(account)
        assert Visitor(account.page).get().status == 403
        visitor.post("delete")
        assert "gone" in visitor.text
        assert not account.installer.exists()
        assert not (account.home / "download").exists()


@pytest.fixture(scope="module")
def shared() -> Iterator[HostingAccount]:
    with HostingAccount("cgi", "/queue") as account:
        yield account


class TestBesideAnArchive:
    """The newer of both is offered. Nothing is installed here."""

    @pytest.fixture
    def account(self, shared: HostingAccount) -> Iterator[HostingAccount]:
        shared.upload_installer(source=one_file())
        yield shared
        shutil.rmtree(shared.home, ignore_errors=True)
        for path in shared.web_folder.glob("taskmanager-*"):
            path.unlink()

    @pytest.mark.parametrize(
        ("version", "offered"), [("0.0.9", VERSION), ("9.1.0", "9.1.0")], ids=["older", "newer"]
    )
    def test_the_newer_one_is_taken(
        self, account: HostingAccount, tmp_path: Path, version: str, offered: str
    ) -> None:
        account.upload(variant(tmp_path, version))
        assert f"version {offered}</div>" in owner(account).text.replace(" </div>", "</div>")

    def test_one_that_was_cut_off(self, account: HostingAccount) -> None:
        """Half an upload: the program is whole, and what it carries is not."""
        text = account.installer.read_text("utf-8")
        begin = text.rindex("\n# --- The archive: ")
        account.installer.write_text(text[: begin + (len(text) - begin) // 2], "utf-8")
        visitor = owner(account)
        assert "deploy.py is damaged" in visitor.text
        assert "<button>Check again</button>" in visitor.text
        assert not list(account.home.glob("download/*"))

    def test_one_that_was_uploaded_as_text(self, account: HostingAccount) -> None:
        """Line ends do not matter to what it carries."""
        content = account.installer.read_bytes()
        first, rest = content.split(b"\n", 1)
        account.installer.write_bytes(first + b"\n" + rest.replace(b"\n", b"\r\n"))
        assert f"(inside deploy.py), version {VERSION}" in owner(account).text


def test_it_upgrades_and_goes_back() -> None:
    """The site is of an earlier version, and this one is in the file."""
    with installed_account("cgi", "/queue") as account:
        (account.web_folder / bundle().name).unlink()
        key = account.api_key()
        account.upload_installer(source=later_file(account))
        done = account.install()
        assert done.returncode == 0, done
        assert "TaskManager 9.1.0 is upgraded" in done.stdout
        assert account.call("GET", "/health")[1]["version"] == "9.1.0"
        done = account.install(mode="--back")
        assert done.returncode == 0, done
        assert account.call("GET", "/health")[1]["version"] == VERSION
        assert account.api_key() == key


def later_file(account: HostingAccount) -> Path:
    """deploy.py with a later version inside, which shares the packages of the one that serves."""
    archive = variant(account.root, "9.1.0")
    upload_bundle(account, archive)
    (account.web_folder / archive.name).unlink()
    return build_one_file(PROJECT, archive)
