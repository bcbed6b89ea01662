"""Commands that are killed in the middle: run again, they come to the same end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
from tests.cli.runner import Commands
from tests.queue.batches import rows
from tests.support.mariadb import DatabaseServer
from tests.support.net import wait_until
from tests.support.programs import environment, run_flask
from tests.support.queue import register, site_at
from tests.support.server import PROJECT

COUNT = "SELECT COUNT(*) AS total FROM tasks"


def kill_after(arguments: list[str], url: str, text: bytes, is_far: Callable[[], bool]) -> None:
    """Run a command that reads ``text`` from a pipe whose end does not come, and kill it when it
    is far enough.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "passenger_wsgi", *arguments, "-"],
        stdin=subprocess.PIPE,
        env=environment(url),
        cwd=PROJECT,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.flush()
        wait_until(is_far, 60, f"{arguments[-1]} to have done a part")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def count(site: Site) -> int:
    return int(rows(site, COUNT)[0]["total"])


def test_an_import_that_was_killed(site: Site, database_url: str) -> None:
    register(site, "mail", dedupe=False)
    lines = [json.dumps({"type": "mail", "params": {}}) for _ in range(2500)]
    text = "\n".join(lines)
    kill_after(["tasks", "import"], database_url, text.encode(), lambda: count(site) >= 2000)
    told = Commands(site).output("tasks", "import", stdin=text)
    assert told == "500 tasks created, 2000 existed already\n"
    assert count(site) == 2500


@pytest.fixture
def target(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Another database of the same kind, with empty tables."""
    url = f"sqlite:///{tmp_path}/target.sqlite3"
    if engine == "mariadb":
        server: DatabaseServer = request.getfixturevalue("mariadb")
        url = server.create_database("tm_target")
    assert run_flask("init-db", env=environment(url)).returncode == 0
    made = site_at(url)
    yield made
    made.db.close()


def test_a_restore_that_was_killed(
    site: Site, target: Site, request: pytest.FixtureRequest
) -> None:
    register(site, "mail")
    create(site, [NewTask("mail", {"n": n}, tags=["t"]) for n in range(1000)])
    dump = Commands(site).run("backup", "-").stdout
    url = target.settings.database.for_sqlalchemy()
    part = dump[: dump.rindex("\n", 0, -1000)].encode()
    kill_after(["restore"], url, part, lambda: count(target) > 0)
    Commands(target).output("restore", "-", stdin=dump)
    again = Commands(target).run("backup", "-").stdout
    assert again == dump
