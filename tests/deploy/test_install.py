"""deploy.py --install: the whole installation, without anybody watching."""

from __future__ import annotations

import hashlib
import html
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.archives import PYTHON, VERSION, build, bundle, change
from tests.deploy.hosting_account import STEPS, HostingAccount, assert_closed, lines, mysql
from tests.deploy.visitor import Visitor
from tests.support.apache import Apache
from tests.support.mariadb import PASSWORD, MariaDB
from tests.support.net import HOST, free_port, is_listening, wait_until


@pytest.fixture
def account() -> Iterator[HostingAccount]:
    with HostingAccount("cgi", "/queue") as account:
        account.upload_installer()
        account.upload(bundle())
        yield account


class TestUnattended:
    def test_sqlite_told_to_programs(self, account: HostingAccount) -> None:
        done = account.install(None, "--json", DEPLOY_API_KEY="a-key-of-my-own")
        assert (done.returncode, done.stderr) == (0, "")
        *steps, end = lines(done.stdout)
        assert [step["step"] for step in steps if step["status"] == "done"] == STEPS
        assert (end["status"], end["api_key"]) == ("installed", "a-key-of-my-own")
        assert end["home"] == str(account.home)
        assert end["sign_in"].startswith(f"{account.url}/dashboard/sign-in/link?token=")
        assert account.call("GET", "/health")[1]["version"] == VERSION
        again = account.install(None, "--json")
        assert again.returncode == 0, again
        assert lines(again.stdout)[-1]["api_key"] == "a-key-of-my-own"

    def test_mariadb_told_to_people(self, account: HostingAccount, mariadb: MariaDB) -> None:
        mariadb.create_database("tm_unattended")
        done = account.install(mysql(mariadb, "tm_unattended"), DEPLOY_DB_PASS=PASSWORD)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line[:3] for line in done.stdout.splitlines()[:9]] == [
            f"[{number}]" for number in range(1, 10)
        ]
        assert f"  {account.url}/dashboard/sign-in/link?token=" in done.stdout
        assert mariadb.client("SHOW TABLES LIKE 'tasks'", "tm_unattended") == "tasks\n"
        assert PASSWORD not in done.stdout + (account.home / "journal.json").read_text()
        assert_closed(account)

    @pytest.mark.parametrize(
        ("config", "sentence"),
        [
            ({"url": "example.org"}, '"url" must be the address'),
            ({"kind": "docker"}, '"kind" must be'),
            ({"database": {"engine": "oracle"}}, '"engine"'),
            ({"colour": "red"}, "must be an object with"),
            ({"web_folder": "/no/such/folder"}, "is not there"),
        ],
    )
    def test_answers_that_cannot_be_used(
        self, account: HostingAccount, config: dict[str, Any], sentence: str
    ) -> None:
        done = account.install(config)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert account.journal() == {}

    def test_the_files_password_is_asked_for(self, account: HostingAccount) -> None:
        account.upload_installer("correct horse")
        assert account.install().returncode == 2
        done = account.install(DEPLOY_ADMIN_PASSWORD="wrong horse")
        assert done.returncode == 2
        assert "DEPLOY_ADMIN_PASSWORD" in done.stderr
        assert account.journal() == {}

    def test_without_an_archive(self, account: HostingAccount) -> None:
        for path in account.web_folder.glob("taskmanager-*"):
            path.unlink()
        done = account.install()
        assert done.returncode == 3
        assert "Upload taskmanager-" in done.stderr

    def test_a_web_server_that_ignores_htaccess(self, account: HostingAccount) -> None:
        """The self-test finds it out, and says so."""
        with HostingAccount("cgi", "/queue") as other:
            other.apache.remove()
            other.apache = Apache(other.document_root, "cgi", "/queue", allow_override="None")
            other.url = other.apache.url[: -len("/api")]
            other.apache.start()
            other.upload_installer()
            other.upload(bundle())
            done = other.install()
            assert done.returncode == 4, done
            assert ".htaccess" in done.stderr


def test_packages_are_fetched_by_pip_and_the_host_may_kill_it() -> None:
    with HostingAccount() as account:
        account.upload_installer()
        folder = Path(tempfile.mkdtemp(prefix="tm-plain-"))
        account.upload(build(folder))
        shutil.rmtree(folder)
        process = account.start_install()
        log = account.home / "logs" / "pip.log"
        wait_until(lambda: log.exists() and b"Collecting" in log.read_bytes(), 300, "pip at work")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        account.kill_processes()
        done = account.install()
        assert done.returncode == 0, done
        assert "installed by pip" in done.stdout
        assert not (account.home / ".pip-cache").exists()
        assert account.call("GET", "/tasks")[0] == 200


def test_the_archive_is_downloaded_from_its_address() -> None:
    archive, port = bundle(), free_port()
    server = subprocess.Popen(
        [PYTHON, "-m", "http.server", str(port), "--bind", HOST],
        cwd=archive.parent,
        stderr=subprocess.DEVNULL,
    )
    try:
        with HostingAccount() as account:
            account.upload_installer()
            wait_until(lambda: is_listening(port), 60, "the archive's server")
            installer = account.web_folder / "deploy.py"
            url = f"http://{HOST}:{port}/{archive.name}"
            change(installer, 'RELEASE_URL = ""', f"RELEASE_URL = {url!r}")
            refused = account.install()
            assert refused.returncode == 4
            assert "https://" in refused.stderr
            change(installer, 'RELEASE_SHA256 = ""', f"RELEASE_SHA256 = {'0' * 64!r}")
            wrong = account.install()
            assert wrong.returncode == 4
            assert "SHA-256" in wrong.stderr
            assert not list(account.home.glob("releases/*"))
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            change(installer, "0" * 64, digest)
            visitor = Visitor(account.page).get()
            account.create(visitor.proof())
            visitor.post("proof")
            assert f"It will be downloaded from {url}" in html.unescape(visitor.text)
            visitor.post("download")
            assert "<button>Install</button>" in visitor.text
            assert f"{archive.name}, version {VERSION}" in visitor.text
            done = account.install()
            assert done.returncode == 0, done
    finally:
        server.kill()
        server.wait()
