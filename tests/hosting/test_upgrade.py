"""Changing the release of a site that is in use, behind a real Apache."""

from __future__ import annotations

import itertools
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.db import url as database_url
from app.install import versions
from app.install.entry import CGI, PASSENGER, ask_for_restart
from app.install.migrate import migrate
from app.version import SCHEMA_VERSION
from tests.hosting import marked
from tests.hosting.conftest import Hosted
from tests.install import databases
from tests.support import later
from tests.support.account import as_owner
from tests.support.apache import Apache
from tests.support.http_client import Response
from tests.support.mariadb import MariaDB
from tests.support.net import wait_until
from tests.support.server import PROJECT
from tests.support.site import INTERPRETER, InstalledSite

OLD, NEW, NEWER = "7.0.0", "7.1.0", "8.0.0"
CLIENTS = 3
SWITCHES = 20
WAIT_SECONDS = 120

# Breaks a release wherever it runs, and one only where a web server runs it.
BROKEN_SETTLE = """
def settle(site, outcomes):
    raise RuntimeError("does not settle")
"""
BROKEN_ON_APACHE = """
import os
if "Apache" in os.environ.get("SERVER_SOFTWARE", ""):
    raise RuntimeError("does not like Apache")
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("archives")
    return {
        OLD: marked.build(folder, OLD),
        NEW: marked.build(folder, NEW),
        NEWER: marked.build(folder, NEWER, later.CODE),
        "broken": marked.build(folder, "7.2.0", {"queue/settle": BROKEN_SETTLE}),
        "broken on Apache": marked.build(folder, "7.3.0", {"entry": BROKEN_ON_APACHE}),
    }


@pytest.fixture(scope="module", params=["cgid-sqlite", "passenger-mariadb"])
def hosted(request: pytest.FixtureRequest) -> Iterator[Hosted]:
    """A site of its own, whose queue the first release made and this one has upgraded: a process
    for each request, and processes that stay.
    """
    server, engine = request.param.split("-")
    kind = PASSENGER if server == "passenger" else CGI
    with InstalledSite(kind, "", _database(request, engine)) as site:
        if engine == "sqlite":
            url = databases.make_sqlite(
                site.home / "data" / "queue.sqlite3", databases.dump(engine)
            )
            migrate(database_url.parse(url, "/"))
            site.give_to_web_server()
        extra = site.passenger_config() if server == "passenger" else ""
        with Apache(site.document_root, server, extra=extra) as apache:
            yield Hosted(site, apache)


def _database(request: pytest.FixtureRequest, engine: str) -> dict[str, str]:
    if engine == "sqlite":
        return {"DATABASE_URL": "sqlite:///data/queue.sqlite3"}
    mariadb: MariaDB = request.getfixturevalue("mariadb")
    url = databases.make_mariadb(mariadb, "tm_upgrade", databases.dump(engine))
    migrate(database_url.parse(url, "/"))
    return {"DATABASE_URL": url}


class Load:
    """Clients that go on creating, claiming and completing until the block ends."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self._name = secrets.token_hex(4)
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)
        self.responses: list[Response] = []
        self.created: set[int] = set()
        self.completed: list[int] = []

    def __enter__(self) -> Load:
        self._clients = [self._pool.submit(self._work, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for client in self._clients:
            client.result(WAIT_SECONDS)
        self._pool.shutdown()

    def wait_for_responses(self, count: int) -> None:
        """Until every client has had about so many responses more."""
        aim = len(self.responses) + count * CLIENTS
        wait_until(lambda: len(self.responses) >= aim or self._failed(), WAIT_SECONDS, "responses")

    def _failed(self) -> bool:
        return any(client.done() for client in self._clients)

    def _work(self, number: int) -> None:
        worker = f"client-{number}"
        for each in itertools.count():
            if self._over.is_set():
                return
            params = {"to": f"{self._name}-{number}-{each}@example.org"}
            created = self._call("/tasks", {"type": "mail.send", "params": params})
            if created:
                self.created.add(created["id"])
            task = self._call("/tasks/claim", {"worker_id": worker, "type_pattern": "mail.send"})
            if task:
                end = {"worker_id": worker, "attempt": task["attempts"]}
                # As a worker does: it does not give up what it has done.
                while not self._call(f"/tasks/{task['id']}/complete", end):
                    pass
                self.completed.append(task["id"])

    def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        response = self._hosted.api("POST", path, body)
        self.responses.append(response)
        if response.status == 503:
            assert int(response.headers["retry-after"]) > 0
            return None
        assert response.status in (200, 201) or response.json["code"] == "no_tasks", response
        data: dict[str, Any] | None = response.json.get("data")
        return data


def _of(response: Response) -> str:
    """The one release that the response is of."""
    marks = response.json["marks"]
    assert len(marks) == 1, response
    assert response.headers["x-release"] == marks[0]
    assert response.json.get("version", marks[0]) == marks[0]
    return str(marks[0])


def _assert_books_balance(hosted: Hosted, load: Load) -> None:
    """No task was done twice, none was lost."""
    assert len(set(load.completed)) == len(load.completed)
    for task_id in load.created:
        status = hosted.api("GET", f"/tasks/{task_id}").json["data"]["status"]
        assert status == ("completed" if task_id in load.completed else "pending")


def _switch(hosted: Hosted, name: str) -> None:
    versions.switch(hosted.site.home, name)
    ask_for_restart(hosted.site.web_folder)


def _upgrade(hosted: Hosted, name: str, event: str = "pass") -> tuple[int, str]:
    """Exit code and output of an upgrade, by the site's user; events as in upgrade_program."""
    program = hosted.site.root / "upgrade.py"
    program.write_bytes((PROJECT / "tests" / "hosting" / "upgrade_program.py").read_bytes())
    home, web_folder = str(hosted.site.home), str(hosted.site.web_folder)
    arguments = [home, name, hosted.apache.url, web_folder, event]
    done = subprocess.run(
        [*as_owner(), INTERPRETER, str(program), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


def test_every_response_is_of_one_release(hosted: Hosted, archives: dict[str, Path]) -> None:
    names = [marked.install(hosted.site, archives[version]) for version in (OLD, NEW)]
    _switch(hosted, names[0])
    with Load(hosted) as load:
        for name in itertools.islice(itertools.cycle(names[::-1]), SWITCHES):
            load.wait_for_responses(2)
            _switch(hosted, name)
        load.wait_for_responses(2)
    assert {_of(response) for response in load.responses if response.status != 503} == {OLD, NEW}
    _assert_books_balance(hosted, load)


def test_an_upgrade_of_a_site_in_use(hosted: Hosted, archives: dict[str, Path]) -> None:
    old, new = [marked.install(hosted.site, archives[version]) for version in (OLD, NEW)]
    _switch(hosted, old)
    with Load(hosted) as load:
        load.wait_for_responses(2)
        exit_code, said = _upgrade(hosted, new)
        load.wait_for_responses(2)
    assert (exit_code, said) == (0, f"{old} {new} {SCHEMA_VERSION} {SCHEMA_VERSION}")
    assert {_of(response) for response in load.responses if response.status != 503} == {OLD, NEW}
    assert _of(load.responses[-1]) == NEW
    _assert_books_balance(hosted, load)
    assert sorted(path.name for path in (hosted.site.home / "releases").iterdir()) == [old, new]
    # Once more, as after an upgrade whose end nobody saw.
    assert _upgrade(hosted, new) == (0, f"{old} {new} {SCHEMA_VERSION} {SCHEMA_VERSION}")


def test_a_release_that_does_not_work_never_serves(
    hosted: Hosted, archives: dict[str, Path]
) -> None:
    old = marked.install(hosted.site, archives[OLD])
    broken = marked.install(hosted.site, archives["broken"])
    _switch(hosted, old)
    with Load(hosted) as load:
        load.wait_for_responses(2)
        exit_code, said = _upgrade(hosted, broken)
        load.wait_for_responses(2)
    assert exit_code == 1
    assert said.startswith(f"{broken} was not put into service: /tasks/")
    assert said.endswith("/complete responds with 500")
    assert {_of(response) for response in load.responses} == {OLD}
    assert versions.read_current(hosted.site.home) == old
    _assert_books_balance(hosted, load)


@pytest.mark.parametrize("hosted", ["cgid-sqlite"], indirect=True)
def test_a_release_whose_self_test_fails_on_the_site_is_taken_back(
    hosted: Hosted, archives: dict[str, Path]
) -> None:
    old = marked.install(hosted.site, archives[OLD])
    broken = marked.install(hosted.site, archives["broken on Apache"])
    _switch(hosted, old)
    with Load(hosted) as load:
        load.wait_for_responses(2)
        exit_code, said = _upgrade(hosted, broken)
        load.wait_for_responses(2)
    assert (exit_code, said) == (
        1,
        f"{broken} does not work: its health is answered with 503 (TaskManager is being "
        f"changed: try again shortly). {old} serves again, as before",
    )
    assert versions.read_current(hosted.site.home) == old
    assert 503 in {response.status for response in load.responses}
    assert {_of(response) for response in load.responses if response.status != 503} == {OLD}
    _assert_books_balance(hosted, load)


def test_a_release_that_cannot_be_had_changes_nothing(
    hosted: Hosted, archives: dict[str, Path]
) -> None:
    old = marked.install(hosted.site, archives[OLD])
    broken = marked.install(hosted.site, archives["broken on Apache"])
    _switch(hosted, old)
    (hosted.site.home / "releases" / broken / "MANIFEST.json").unlink()
    exit_code, said = _upgrade(hosted, broken)
    assert exit_code == 1
    assert f"{broken} was not put into service" in said
    assert "MANIFEST.json" in said
    assert _of(hosted.api("GET", "/health")) == OLD


@pytest.mark.parametrize("event", ["die-1", "die-2"])
def test_an_upgrade_that_was_killed_is_finished_by_the_next(
    hosted: Hosted, archives: dict[str, Path], event: str
) -> None:
    old, new = [marked.install(hosted.site, archives[version]) for version in (OLD, NEW)]
    _switch(hosted, old)
    assert _upgrade(hosted, new, event) == (-signal.SIGKILL, "")
    assert _upgrade(hosted, new) == (0, f"{old} {new} {SCHEMA_VERSION} {SCHEMA_VERSION}")
    assert _of(hosted.api("GET", "/health")) == NEW


def test_an_upgrade_that_was_killed_still_goes_back(
    hosted: Hosted, archives: dict[str, Path]
) -> None:
    old, new = [marked.install(hosted.site, archives[version]) for version in (OLD, NEW)]
    _switch(hosted, old)
    assert _upgrade(hosted, new, "die-2") == (-signal.SIGKILL, "")
    assert versions.read_current(hosted.site.home) == new
    said = f"{new} does not work: the self-test fails. {old} serves again, as before"
    assert _upgrade(hosted, new, "fail-2") == (1, said)
    assert _of(hosted.api("GET", "/health")) == OLD


def test_an_upgrade_changes_the_tables_of_a_site_in_use(
    hosted: Hosted, archives: dict[str, Path]
) -> None:
    """The last of these tests on a site: from here on its tables are those of a later release."""
    old, newer = [marked.install(hosted.site, archives[version]) for version in (OLD, NEWER)]
    _switch(hosted, old)
    with Load(hosted) as load:
        load.wait_for_responses(2)
        exit_code, said = _upgrade(hosted, newer)
        load.wait_for_responses(2)
        _switch(hosted, old)
        load.wait_for_responses(5)
    assert (exit_code, said) == (0, f"{old} {newer} {SCHEMA_VERSION} {SCHEMA_VERSION + 1}")
    assert {_of(response) for response in load.responses if response.status != 503} == {OLD, NEWER}
    assert _of(load.responses[-1]) == OLD
    _assert_books_balance(hosted, load)
    exit_code, said = _upgrade(hosted, old)
    assert exit_code == 1
    assert f"the tables are of version {SCHEMA_VERSION + 1}, and this TaskManager knows" in said
