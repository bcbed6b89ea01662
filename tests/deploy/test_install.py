"""deploy.py --install: the whole installation, without anybody watching."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.webspace import (
    PYTHON,
    STEPS,
    VERSION,
    WebSpace,
    archives,
    assert_closed,
    build,
    change,
    lines,
    mysql,
)
from tests.support.apache import Apache
from tests.support.mariadb import PASSWORD, MariaDB
from tests.support.net import HOST, free_port, is_listening, wait_until


@pytest.fixture
def space() -> Iterator[WebSpace]:
    with WebSpace("cgi", "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        yield space


class TestUnattended:
    def test_sqlite_told_to_programs(self, space: WebSpace) -> None:
        done = space.install(None, "--json", DEPLOY_API_KEY="a-key-of-my-own")
        assert (done.returncode, done.stderr) == (0, "")
        *steps, end = lines(done.stdout)
        assert [step["step"] for step in steps if step["status"] == "done"] == STEPS
        assert (end["status"], end["api_key"]) == ("installed", "a-key-of-my-own")
        assert end["home"] == str(space.home)
        assert space.call("GET", "/health")[1]["version"] == VERSION
        again = space.install(None, "--json")
        assert again.returncode == 0, again
        assert lines(again.stdout)[-1]["api_key"] == "a-key-of-my-own"

    def test_mariadb_told_to_people(self, space: WebSpace, mariadb: MariaDB) -> None:
        mariadb.create_database("tm_unattended")
        done = space.install(mysql(mariadb, "tm_unattended"), DEPLOY_DB_PASS=PASSWORD)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line[:3] for line in done.stdout.splitlines()[:9]] == [
            f"[{number}]" for number in range(1, 10)
        ]
        assert mariadb.client("SHOW TABLES LIKE 'tasks'", "tm_unattended") == "tasks\n"
        assert PASSWORD not in done.stdout + (space.home / "journal.json").read_text()
        assert_closed(space)

    @pytest.mark.parametrize(
        ("answers", "sentence"),
        [
            ({"url": "example.org"}, '"url" must be the address'),
            ({"kind": "docker"}, '"kind" must be'),
            ({"database": {"engine": "oracle"}}, '"engine"'),
            ({"colour": "red"}, "must be an object with"),
            ({"web_folder": "/no/such/folder"}, "is not there"),
        ],
    )
    def test_answers_that_cannot_be_used(
        self, space: WebSpace, answers: dict[str, Any], sentence: str
    ) -> None:
        done = space.install(answers)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert space.journal() == {}

    def test_the_files_password_is_asked_for(self, space: WebSpace) -> None:
        space.upload_installer("correct horse")
        assert space.install().returncode == 2
        done = space.install(DEPLOY_ADMIN_PASSWORD="wrong horse")
        assert done.returncode == 2
        assert "DEPLOY_ADMIN_PASSWORD" in done.stderr
        assert space.journal() == {}

    def test_without_an_archive(self, space: WebSpace) -> None:
        for path in space.web_folder.glob("taskmanager-*"):
            path.unlink()
        done = space.install()
        assert done.returncode == 3
        assert "Upload taskmanager-" in done.stderr

    def test_a_web_server_that_heeds_no_htaccess(self, space: WebSpace) -> None:
        """The self-test finds it out, and says so."""
        with WebSpace("cgi", "/queue") as other:
            other.apache.remove()
            other.apache = Apache(other.document_root, "cgi", "/queue", allow_override="None")
            other.url = other.apache.url[: -len("/api")]
            other.apache.start()
            other.upload_installer()
            other.upload(next(archives().glob("*.zip")))
            done = other.install()
            assert done.returncode == 4, done
            assert ".htaccess" in done.stderr


def test_packages_are_fetched_by_pip_and_the_host_may_kill_it() -> None:
    with WebSpace() as space:
        space.upload_installer()
        folder = Path(tempfile.mkdtemp(prefix="tm-plain-"))
        space.upload(build(folder))
        shutil.rmtree(folder)
        process = space.start_install()
        log = space.home / "logs" / "pip.log"
        wait_until(lambda: log.exists() and b"Collecting" in log.read_bytes(), 300, "pip at work")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        space.kill_processes()
        done = space.install()
        assert done.returncode == 0, done
        assert "installed by pip" in done.stdout
        assert not (space.home / ".pip-cache").exists()
        assert space.call("GET", "/tasks")[0] == 200


def test_the_release_is_fetched_from_its_address() -> None:
    archive, port = next(archives().glob("*.zip")), free_port()
    server = subprocess.Popen(
        [PYTHON, "-m", "http.server", str(port), "--bind", HOST],
        cwd=archive.parent,
        stderr=subprocess.DEVNULL,
    )
    try:
        with WebSpace() as space:
            space.upload_installer()
            wait_until(lambda: is_listening(port), 60, "the release's server")
            installer = space.web_folder / "deploy.py"
            url = f"http://{HOST}:{port}/{archive.name}"
            change(installer, 'RELEASE_URL = ""', f"RELEASE_URL = {url!r}")
            refused = space.install()
            assert refused.returncode == 4
            assert "https://" in refused.stderr
            change(installer, 'RELEASE_SHA256 = ""', f"RELEASE_SHA256 = {'0' * 64!r}")
            wrong = space.install()
            assert wrong.returncode == 4
            assert "SHA-256" in wrong.stderr
            assert not list(space.home.glob("releases/*"))
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            change(installer, "0" * 64, digest)
            done = space.install()
            assert done.returncode == 0, done
    finally:
        server.kill()
        server.wait()
