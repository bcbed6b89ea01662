"""deploy.py --install: unattended, interrupted anywhere, upgraded, rolled back."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from app.install.releases import release_of
from tests.deploy.webspace import PYTHON, VERSION, Visitor, WebSpace, archives, build, change
from tests.support.apache import Apache
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST, free_port, is_listening, wait_until

STEPS = ["checks", "files", "dependencies", "compile", "database", "tables", "entry"]
STEPS += ["selftest", "finish"]


@pytest.fixture
def space() -> Iterator[WebSpace]:
    with WebSpace("cgi", "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        yield space


@pytest.fixture(scope="module")
def installed() -> Iterator[WebSpace]:
    """One site for the tests that only change which release serves."""
    with WebSpace() as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        done = space.install()
        assert done.returncode == 0, done
        yield space


@pytest.fixture(scope="module")
def newer() -> Iterator[Path]:
    """Archives of later versions: two that work, and one that does not."""
    folder = Path(tempfile.mkdtemp(prefix="tm-newer-"))
    build(folder, version="9.1.0")
    build(folder, version="9.2.0", edit={"app/queue/create.py": "raise RuntimeError('broken')\n"})
    build(folder, version="9.3.0")
    yield folder
    shutil.rmtree(folder)


def mysql(mariadb: MariaDB, database: str, **more: str) -> dict[str, Any]:
    host = f"{HOST}:{mariadb.port}"
    return {"database": {"engine": "mysql", "host": host, "name": database, "user": USER, **more}}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


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
        ("more", "password", "sentence"),
        [
            ({}, "wrong", "refuses this password"),
            ({"host": f"{HOST}:1"}, PASSWORD, "No database server answers"),
            ({"name": "tm_missing"}, PASSWORD, "has no database tm_missing"),
        ],
    )
    def test_a_database_that_refuses(
        self, space: WebSpace, mariadb: MariaDB, more: dict[str, str], password: str, sentence: str
    ) -> None:
        mariadb.create_database("tm_unattended")
        answers = mysql(mariadb, "tm_unattended", **more)
        done = space.install(answers, "--json", DEPLOY_DB_PASS=password)
        assert done.returncode == 4
        assert sentence in lines(done.stdout)[-1]["error"]
        assert lines(done.stdout)[-1]["step"] == "database"
        assert not (space.home / "config.py").exists()
        assert not (space.web_folder / "index.cgi").exists()

    def test_too_many_connections(self, space: WebSpace, mariadb: MariaDB) -> None:
        mariadb.create_database("tm_unattended")
        mariadb.client(
            f"CREATE OR REPLACE USER 'tm_busy'@'{HOST}' IDENTIFIED BY 'secret-word' "
            "WITH MAX_USER_CONNECTIONS 1; GRANT ALL ON tm_unattended.* TO "
            f"'tm_busy'@'{HOST}'"
        )
        held = pymysql.connect(
            host=HOST, port=mariadb.port, user="tm_busy", password="secret-word", ssl_disabled=True
        )
        answers = mysql(mariadb, "tm_unattended", user="tm_busy")
        try:
            done = space.install(answers, DEPLOY_DB_PASS="secret-word")
        finally:
            held.close()
        assert done.returncode == 4
        assert "no free connection" in done.stderr

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


def assert_closed(space: WebSpace) -> None:
    """Nothing private can be had from outside, and no request compiles anything."""
    for name in ("config.py", "journal.json", "current", ".htaccess", "schema.sql"):
        reply = space.apache.request("GET", f"{space.base}/{name}")
        assert reply.status in (403, 404), name
    assert b"import" not in space.apache.request("GET", f"{space.base}/index.cgi").raw
    before = sorted(space.home.rglob("*.pyc"))
    assert len(before) > 100
    stamps = [path.stat().st_mtime_ns for path in before]
    assert space.call("GET", "/tasks")[0] == 200
    assert space.call("POST", "/tasks/claim", {"worker_id": "w"})[0] == 404
    after = sorted(space.home.rglob("*.pyc"))
    assert after == before
    assert [path.stat().st_mtime_ns for path in after] == stamps


class TestKilled:
    """SIGKILL to every process of the installation, as soon as a step has begun."""

    def test_at_every_step_on_the_command_line(self, space: WebSpace) -> None:
        hits = 0
        for step in STEPS[1:]:
            process = space.start_install()
            wait_until_begun(space, step, process)
            hits += kill_all(space, process)
            process.communicate()
        assert hits
        done = space.install()
        assert done.returncode == 0, done
        assert_whole(space)

    def test_at_every_step_in_the_browser(self, space: WebSpace) -> None:
        """On a host that gives a request so little time that most steps take several."""
        change(space.web_folder / "deploy.py", "STEP_SECONDS = 12.0", "STEP_SECONDS = 0.5")
        visitor = Visitor(space.page).get()
        space.create(visitor.proof())
        visitor.post("proof")
        visitor.post("begin")
        hits = 0
        for step in STEPS[1:]:
            if step == "tables":
                assert 'id="host"' in visitor.text
                visitor.post("database", engine="sqlite")
            process = work_until_begun(space, step, visitor)
            hits += kill_all(space, process)
            process.wait()
            if 'id="key"' in visitor.get().text:
                break  # it was quicker than the last kill, and shows the key but once
        assert hits
        press_until(visitor, 'id="key"')
        assert space.api_key() in visitor.text
        assert_whole(space)


def wait_until_begun(space: WebSpace, step: str, process: subprocess.Popen[Any]) -> None:
    """Until the step before this one is done, or the process."""
    wait_until(
        lambda: has_begun(space, step) or process.poll() is not None, 300, f"the step {step}"
    )


def has_begun(space: WebSpace, step: str) -> bool:
    return STEPS[STEPS.index(step) - 1] in space.journal().get("steps", {})


def work_until_begun(space: WebSpace, step: str, visitor: Visitor) -> subprocess.Popen[bytes]:
    """Go on, as somebody does who does not wait for the last answer: who still waits for it."""
    data = f"csrf={visitor.csrf()}&action=work"
    command = ["curl", "--silent", "--output", "/dev/null", "--data", data]
    while True:
        process = subprocess.Popen([*command, "--cookie", visitor.cookie, visitor.url])
        wait_until_begun(space, step, process)
        if has_begun(space, step):
            return process
        process.wait()


def kill_all(space: WebSpace, process: subprocess.Popen[Any]) -> int:
    """SIGKILL to the installation as soon as there is something to kill: how many it hit."""
    hits = [0]

    def is_hit() -> bool:
        hits[0] = space.kill_processes()
        return bool(hits[0]) or process.poll() is not None

    wait_until(is_hit, 300, "a process of the installation")
    return hits[0]


def assert_whole(space: WebSpace) -> None:
    assert space.call("GET", "/health")[0] == 200
    assert [path.name for path in (space.home / "releases").iterdir()] == [
        (space.home / "current").read_text().strip()
    ]
    assert not list(space.home.glob(".ht-draft-*"))
    assert not list(space.web_folder.glob(".ht-draft-*"))


class TestUpgrades:
    def test_a_newer_archive_keeps_everything(self, installed: WebSpace, newer: Path) -> None:
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

    def test_one_that_does_not_work_is_rolled_back(self, installed: WebSpace, newer: Path) -> None:
        serving = (installed.home / "current").read_text()
        upload_bundle(installed, newer / "taskmanager-9.2.0.zip")
        done = installed.install(None, "--json")
        assert done.returncode == 4
        assert lines(done.stdout)[-1]["step"] == "upgrade"
        assert (installed.home / "current").read_text() == serving
        assert installed.call("GET", "/health")[0] == 200
        kind = {"name": "after.rollback", "version": "1", "param_schema": {}}
        assert installed.call("POST", "/task-types/register", kind)[0] in (200, 201)
        (installed.web_folder / "taskmanager-9.2.0.zip").unlink()

    def test_an_older_one_is_refused(self, installed: WebSpace) -> None:
        for path in installed.web_folder.glob("taskmanager-9*"):
            path.unlink()
        serving = (installed.home / "current").read_text()
        done = installed.install()
        assert done.returncode == 2
        assert "older than what is installed" in done.stderr
        assert (installed.home / "current").read_text() == serving


@pytest.mark.parametrize("kind", ["cgi", "passenger"])
def test_upgrades_in_the_browser(kind: str, newer: Path) -> None:
    """First to a release that does not work, then to one that does."""
    with WebSpace(kind, "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        assert space.install().returncode == 0
        key = space.api_key()
        space.upload_installer()
        upload_bundle(space, newer / "taskmanager-9.2.0.zip")

        visitor = Visitor(space.page).get()
        space.create(visitor.proof())
        visitor.post("proof")
        assert "<button>Upgrade</button>" in visitor.text
        visitor.post("begin")
        press_until(visitor, "Start over")
        assert "9.2.0" in visitor.text
        assert "was not put into service" in visitor.text
        assert space.call("GET", "/health")[1]["version"] == VERSION

        (space.web_folder / "taskmanager-9.2.0.zip").unlink()
        upload_bundle(space, newer / "taskmanager-9.3.0.zip")
        visitor.post("over")
        press_until(visitor, "TaskManager is upgraded")
        assert key not in visitor.text
        assert space.call("GET", "/health")[1]["version"] == "9.3.0"
        assert space.api_key() == key
        assert Visitor(space.page).get().status == 403
        visitor.post("delete")
        assert not (space.web_folder / "deploy.py").exists()


def press_until(visitor: Visitor, text: str) -> None:
    """Go on, as somebody without script does."""
    for _ in range(60):
        if text in visitor.text:
            return
        visitor.post("work")
    raise AssertionError(visitor.text.partition("</style>")[2])


def upload_bundle(space: WebSpace, archive: Path) -> None:
    """An archive without packages; those of the release that serves stand in for pip's work."""
    space.upload(archive)
    folder = space.home / "releases" / release_of(archive)
    with_packages = folder / "vendor"
    if not with_packages.exists():
        subprocess.run(
            [PYTHON, "-m", "zipfile", "-e", str(archive), str(folder)], check=True, cwd="/"
        )
        serving = space.home / "releases" / (space.home / "current").read_text().strip()
        subprocess.run(["cp", "-a", str(serving / "vendor"), str(with_packages)], check=True)
    space.own()


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
