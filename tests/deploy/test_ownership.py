"""Who may use the installer's page: through real Apache, without a browser's good manners."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.archives import bundle
from tests.deploy.hosting_account import HostingAccount
from tests.deploy.visitor import Visitor
from tests.support.apache import Apache
from tests.support.net import HOST
from tests.support.server import PROJECT

HOSTING = PROJECT / "docs" / "hosting.md"
PASSWORD = "correct horse"
OWNERS_ACTIONS = ("begin", "over", "work", "database", "other", "delete", "look", "back", "cancel")


@pytest.fixture(scope="module")
def shared() -> Iterator[HostingAccount]:
    with HostingAccount() as account:
        yield account


@pytest.fixture
def account(shared: HostingAccount) -> HostingAccount:
    """An installer that asks for a file, in an empty account."""
    return emptied(shared)


@pytest.fixture
def guarded(shared: HostingAccount) -> HostingAccount:
    """An installer that asks for a password."""
    return emptied(shared, PASSWORD)


def emptied(account: HostingAccount, password: str = "") -> HostingAccount:
    shutil.rmtree(account.home, ignore_errors=True)
    for path in account.web_folder.iterdir():
        path.unlink()
    account.upload_installer(password)
    account.upload(bundle())
    return account


def owner(account: HostingAccount) -> Visitor:
    """Somebody who has proven to be the owner."""
    visitor = Visitor(account.page).get()
    account.create(visitor.proof())
    visitor.post("proof")
    assert visitor.status == 200
    assert "checks" in visitor.text
    return visitor


class TestStrangers:
    def test_the_page_tells_nothing(self, account: HostingAccount, guarded: HostingAccount) -> None:
        for one in (account, guarded):
            text = Visitor(one.page).get().text
            text = re.sub(r"taskmanager-[0-9a-f]{32}\.txt", "", text)
            version = "{}.{}".format(*sys.version_info[:2])
            for word in (version, "0.1.0", str(one.root), "python", "Apache", "sqlite", "MySQL"):
                assert word.lower() not in text.partition("</style>")[2].lower(), word

    def test_no_action_does_anything(self, account: HostingAccount) -> None:
        visitor = Visitor(account.page).get()
        for action in OWNERS_ACTIONS:
            visitor.post(action, engine="sqlite")
            assert "is this yours" in visitor.text
        assert account.journal() == {}
        assert not (account.home / "releases").exists()
        assert (account.web_folder / "deploy.py").exists()

    def test_a_cookie_of_their_own_making_is_none(self, account: HostingAccount) -> None:
        visitor = Visitor(account.page).get()
        good = visitor.cookie
        for cookie in (
            good.replace("visitor", "owner"),
            good[:-1] + ("0" if good[-1] != "0" else "1"),
            "taskmanager_installer=owner.00.99999999999." + "0" * 64,
            "taskmanager_installer=....",
            "taskmanager_installer=grüße",
        ):
            visitor.cookie = cookie.encode("utf-8").decode("latin-1")
            assert "is this yours" in visitor.get().text

    def test_what_the_installer_remembers_cannot_be_downloaded(self) -> None:
        with HostingAccount() as account:
            # No folder but the web folder can be written to: everything lies inside.
            account.upload_installer()
            account.root.chmod(0o755)
            give_away(account)
            Visitor(account.page).get()
            inside = account.web_folder / "taskmanager"
            assert (inside / ".htinstaller").is_file()
            for name in (".htinstaller", ".htaccess", ".htlock-state"):
                response = account.apache.request("GET", f"/taskmanager/{name}")
                assert response.status == 403


def give_away(account: HostingAccount) -> None:
    """The folder around the web folder belongs to somebody else."""
    if os.geteuid() == 0:
        os.chown(account.root, 0, 0)
    else:
        account.root.chmod(0o555)


class TestProofByFile:
    def test_the_file_opens_the_page_once_and_is_deleted(self, account: HostingAccount) -> None:
        visitor = Visitor(account.page).get()
        name = visitor.proof()
        assert re.fullmatch(r"taskmanager-[0-9a-f]{32}\.txt", name)
        visitor.post("proof")
        assert (visitor.status, visitor.proof()) == (403, name)
        before = visitor.cookie
        account.create(name)
        visitor.post("proof")
        assert visitor.cookie != before
        assert "Install" in visitor.text
        assert not (account.web_folder / name).exists()
        again = Visitor(account.page)
        again.cookie = before
        assert "is this yours" in again.get().text

    def test_another_visitors_file_is_no_proof(self, account: HostingAccount) -> None:
        owner_to_be, stranger = Visitor(account.page).get(), Visitor(account.page).get()
        assert owner_to_be.proof() != stranger.proof()
        account.create(owner_to_be.proof())
        assert stranger.post("proof").status == 403

    def test_a_link_or_a_folder_is_no_proof(self, account: HostingAccount) -> None:
        visitor = Visitor(account.page).get()
        path = account.web_folder / visitor.proof()
        path.symlink_to("/etc/passwd")
        assert visitor.post("proof").status == 403
        path.unlink()
        path.mkdir()
        assert visitor.post("proof").status == 403
        path.rmdir()


class TestProofByPassword:
    def test_the_right_one_opens_the_page(self, guarded: HostingAccount) -> None:
        visitor = Visitor(guarded.page).get()
        assert visitor.proof() == ""
        assert visitor.post("password", password="wrong").status == 403
        assert "Install" in visitor.post("password", password=PASSWORD).text

    def test_a_file_does_not_replace_it(self, guarded: HostingAccount) -> None:
        visitor = Visitor(guarded.page).get()
        assert visitor.post("proof").status == 200
        assert "is this yours" in visitor.text

    def test_fifty_wrong_ones_are_slowed_down(self, guarded: HostingAccount) -> None:
        looked_at, waits = 0, []
        for number in range(50):
            # Each from a browser of its own: who asks does not matter.
            visitor = Visitor(guarded.page).get()
            visitor.post("password", password=f"wrong {number}")
            looked_at += visitor.status == 403
            if visitor.status == 429:
                waits.append(int(visitor.headers["retry-after"]))
        assert looked_at < 15
        assert len(waits) == 50 - looked_at
        assert max(waits) > min(waits)
        visitor = Visitor(guarded.page).get()
        self.let_pass(guarded, seconds=-60)
        visitor.post("password", password=PASSWORD)
        assert visitor.status == 429, "even the right one has to wait"
        self.let_pass(guarded)
        assert "Install" in visitor.post("password", password=PASSWORD).text
        wrong = json.loads((guarded.home / ".htinstaller").read_bytes())["wrong"]
        assert wrong == 0

    def test_the_waits_grow_to_minutes(self, guarded: HostingAccount) -> None:
        Visitor(guarded.page).get()
        waits = []
        for _ in range(14):
            self.let_pass(guarded)
            Visitor(guarded.page).get().post("password", password="wrong")
            visitor = Visitor(guarded.page).get().post("password", password="wrong")
            if visitor.status == 429:
                waits.append(int(visitor.headers["retry-after"]))
        assert waits[-1] > 200
        assert all(later >= earlier - 1 for earlier, later in zip(waits, waits[1:])), waits

    def test_one_that_is_too_short_protects_nothing(self, shared: HostingAccount) -> None:
        emptied(shared, "short")
        visitor = Visitor(shared.page).get()
        assert visitor.status == 403
        assert "at least 8 characters" in visitor.text

    @staticmethod
    def let_pass(account: HostingAccount, seconds: float = 1) -> None:
        """As if the next try had been allowed for so long."""
        path = account.home / ".htinstaller"
        content = json.loads(path.read_bytes())
        path.write_text(json.dumps({**content, "next_try": time.time() - seconds}))


class TestForms:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Referer": "https://evil.example/deploy.py"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_one_that_another_site_sent_is_refused(
        self, account: HostingAccount, headers: dict[str, str]
    ) -> None:
        visitor = owner(account)
        visitor.post("begin", headers=headers)
        assert visitor.status == 403
        assert account.journal() == {}

    def test_our_own_origin_is_fine(self, account: HostingAccount) -> None:
        visitor = owner(account)
        visitor.post("begin", headers={"Origin": account.url, "Sec-Fetch-Site": "same-origin"})
        assert account.journal()["plan"] == "install"

    def test_the_token_must_be_this_sessions(self, account: HostingAccount) -> None:
        visitor, other = owner(account), Visitor(account.page).get()
        for token in ("", "0" * 64, other.csrf(), "grüße"):
            visitor.post("begin", csrf=token)
            assert visitor.status == 403
            visitor.get()
        assert account.journal() == {}

    def test_what_is_no_form_is_refused(self, account: HostingAccount) -> None:
        page = "/deploy.py"
        json_type = {"Content-Type": "application/json"}
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        assert account.apache.request("POST", page, b"{}", json_type).status == 415
        assert account.apache.request("POST", page, b"a" * 70_000, form_type).status == 413
        assert account.apache.request("PUT", page, b"a", form_type).status == 405
        assert account.apache.request("POST", page, b"", form_type).status == 403

    def test_the_cookie_is_for_this_page_alone(self, account: HostingAccount) -> None:
        cookie = Visitor(account.page).get().headers["set-cookie"]
        assert "; HttpOnly" in cookie
        assert "; SameSite=Strict" in cookie
        assert "Secure" not in cookie
        secure = Visitor(account.page).get(**{"X-Forwarded-Proto": "https"}).headers["set-cookie"]
        assert secure.endswith("; Secure")


class TestPages:
    def test_every_answer_carries_the_headers_of_caution(self, account: HostingAccount) -> None:
        visitor = owner(account)
        pages = [visitor.get().headers, visitor.post("begin", follow=False).headers]
        pages += [visitor.get().headers, Visitor(account.page).get().headers]
        pages += [account.apache.request("POST", "/deploy.py", b"").headers]
        for headers in pages:
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"

    def test_a_script_runs_by_its_nonce_and_each_page_has_its_own(
        self, account: HostingAccount
    ) -> None:
        visitor = owner(account)
        visitor.post("begin")
        seen = set()
        for _ in range(2):
            visitor.get()
            nonce = re.search(r"script-src 'nonce-([^']+)'", visitor.headers[CSP])
            assert nonce
            assert f'<script nonce="{nonce[1]}">' in visitor.text
            seen.add(nonce[1])
        assert len(seen) == 2

    def test_every_check_is_explained_in_the_documentation(self, account: HostingAccount) -> None:
        checked = re.findall(r"<div><b>([^<]+)</b>:", owner(account).text)
        explained = HOSTING.read_text("utf-8").partition("## When a check fails")[2]
        assert len(checked) == 9
        for title in map(html.unescape, checked):
            assert f"\n| {title} | " in explained

    def test_names_are_shown_as_they_are(self, account: HostingAccount) -> None:
        archive = account.web_folder / "taskmanager-<script>alert(1)<!script>9.zip"
        archive.write_bytes(b"no archive")
        text = owner(account).text
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>" not in text

    def test_what_was_typed_comes_back_as_it_was(self, account: HostingAccount) -> None:
        visitor = owner(account)
        visitor.post("begin")
        while 'id="host"' not in visitor.text:
            visitor.post("work")
        evil = '"><script>alert(1)</script>'
        visitor.post("database", engine="mysql", host=evil, name=evil, user=evil, password=evil)
        assert visitor.status == 422
        assert "&lt;script&gt;" in visitor.text
        assert "<script>alert" not in visitor.text


CSP = "content-security-policy"


class TestLock:
    def test_a_finished_installer_is_locked_until_something_is_uploaded(
        self, account: HostingAccount
    ) -> None:
        visitor = owner(account)
        done = account.install()
        assert done.returncode == 0, done
        for one in (visitor.get(), Visitor(account.page).get()):
            assert one.status == 403
            assert "locked" in one.text
            assert str(account.root) not in one.text
        assert visitor.post("begin").status == 403
        (account.web_folder / "deploy.py").touch()
        assert "is this yours" in Visitor(account.page).get().text


@pytest.mark.parametrize("followed", [True, False])
def test_a_home_in_the_web_folder_must_be_closed(followed: bool) -> None:
    """The checks try it out before anything secret is written there."""
    with HostingAccount() as account:
        if not followed:
            account.apache.remove()
            account.apache = Apache(account.document_root, "cgi", allow_override="None")
            account.apache.start()
            account.url = account.apache.url[: -len("/api")]
        account.upload_installer()
        account.upload(bundle())
        give_away(account)
        visitor = Visitor(account.page).get()
        # Only this file: `create` would give the folder around back.
        path = account.web_folder / visitor.proof()
        path.touch()
        visitor.post("proof")
        assert "inside the web folder" in visitor.text
        assert ("anybody could download" in visitor.text) is not followed
        assert ("<button>Install</button>" in visitor.text) is followed
        account.own()


def test_a_proxy_that_a_visitor_names_is_not_used() -> None:
    """A CGI program finds the header "Proxy" in HTTP_PROXY, which programs take for a setting."""
    with HostingAccount() as account, socket.create_server((HOST, 0)) as proxy:
        proxy.settimeout(0.5)
        account.upload_installer()
        account.upload(bundle())
        give_away(account)
        visitor = Visitor(account.page).get()
        (account.web_folder / visitor.proof()).touch()
        visitor.post("proof")
        # The check asks the web server whether it hands out what is in the private data folder.
        visitor.get(Proxy=f"http://{HOST}:{proxy.getsockname()[1]}")
        assert "inside the web folder" in visitor.text
        with pytest.raises(TimeoutError):
            proxy.accept()
        account.own()


@pytest.mark.parametrize(("seconds", "said"), [(1, "Wait 1 second before"), (2, "Wait 2 seconds")])
def test_the_wait_is_told_in_words(seconds: int, said: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r}); import deploy, pathlib, tempfile; "
        "state = deploy.InstallerState(pathlib.Path(tempfile.mkdtemp())); "
        "session = deploy.Session.new(deploy.VISITOR, state); "
        "request = deploy.PageRequest({'REQUEST_METHOD': 'GET'}, 'cgi'); "
        f"print(deploy.page_throttled(request, session, {seconds}).body.decode())"
    )
    assert said in subprocess.check_output([sys.executable, "-B", "-c", program], text=True)


def test_the_page_says_when_nothing_can_be_written() -> None:
    with HostingAccount() as account:
        account.upload_installer()
        give_away(account)
        close(account.web_folder)
        visitor = Visitor(account.page).get()
        assert visitor.status == 500
        assert "cannot write anything here" in visitor.text
        assert str(account.root) not in visitor.text
        account.own()


def close(folder: Path) -> None:
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.chown(folder, 0, 0)
