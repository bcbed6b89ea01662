"""The printed cron line: one worker, its output in a log, mail only for what needs a person."""

from __future__ import annotations

import ast
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.install.finish import EXAMPLES
from tests.deploy.webspace import WebSpace, archives, lines
from tests.support.server import PROJECT


@pytest.fixture(scope="module")
def space() -> Iterator[WebSpace]:
    with WebSpace("cgi", "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        done = space.install(None, "--json")
        assert done.returncode == 0, done
        (space.root / "cron-line").write_text(lines(done.stdout)[-1]["cron"], "utf-8")
        yield space


def run_cron(space: WebSpace, extra: str = "") -> str:
    """What one run of the printed line prints, and cron would mail."""
    line = (space.root / "cron-line").read_text("utf-8")
    done = space.run(line.split(maxsplit=5)[5] + extra)
    return done.stdout + done.stderr


def add_task(space: WebSpace) -> int:
    status, answer = space.call(
        "POST", "/tasks", {"type": "example.echo", "params": {"message": "hi"}, "dedupe": False}
    )
    assert status == 201, answer
    return int(answer["data"]["id"])


def log_of(space: WebSpace) -> Path:
    return space.home / "logs" / "cron.log"


def workers(space: WebSpace) -> list[str]:
    return [each["id"] for each in space.call("GET", "/workers")[1]["data"]["workers"]]


def test_the_self_test_leaves_no_worker_and_no_type(space: WebSpace) -> None:
    assert workers(space) == []
    types = space.call("GET", "/task-types")[1]["data"]["task_types"]
    assert [each["name"] for each in types] == ["example.echo"]


def test_runs_are_one_worker_and_their_output_is_in_the_log(space: WebSpace) -> None:
    for number in (1, 2, 3):
        task = add_task(space)
        assert run_cron(space) == ""
        assert space.call("GET", f"/tasks/{task}")[1]["data"]["status"] == "completed"
        assert log_of(space).read_text("utf-8").count("completed 1") == number
    (worker,) = workers(space)
    assert re.fullmatch(r"[\w.-]+-taskmanager-queue-[0-9a-f]{6}", worker)
    assert stat.S_IMODE(log_of(space).stat().st_mode) == 0o600
    assert run_cron(space, " --max-runs 5") == ""
    add_task(space)
    assert run_cron(space, " --worker-id mine") == ""
    assert "mine" in workers(space)


def test_a_large_log_is_put_aside(space: WebSpace) -> None:
    log_of(space).write_bytes(b"x" * 1_000_001)
    add_task(space)
    assert run_cron(space) == ""
    assert log_of(space).stat().st_size < 10_000
    assert log_of(space).with_name("cron.log.1").stat().st_size == 1_000_001


def test_handlers_that_cannot_be_loaded_are_told_once_a_day(space: WebSpace) -> None:
    handlers = space.home / "handlers.py"
    before = handlers.read_text("utf-8")
    handlers.write_text("raise RuntimeError('broken on purpose')", "utf-8")
    try:
        add_task(space)
        told = run_cron(space)
        assert "Check handlers.py" in told
        assert "broken on purpose" in told
        assert str(space.home) in told
        assert run_cron(space) == ""
        age(space, told=24 * 3600 + 1)
        assert "broken on purpose" in run_cron(space)
    finally:
        handlers.write_text(before, "utf-8")
    assert run_cron(space) == ""
    assert not trouble(space).exists()


def test_a_server_that_is_away_is_told_when_it_stays_away(space: WebSpace) -> None:
    space.apache.stop()
    try:
        assert run_cron(space) == ""
        age(space, since=15 * 60 + 1)
        told = run_cron(space)
        assert "cannot reach its server" in told
        assert run_cron(space) == ""
    finally:
        space.apache.start()
    assert run_cron(space) == ""


def test_a_key_that_is_refused_is_told_at_once(space: WebSpace) -> None:
    site = json.loads((space.home / "site.json").read_bytes())
    assert site["url"] == space.url
    told = run_cron(space, " --api-key wrong-wrong-wrong-wrong-wrong")
    assert "The server refuses the worker" in told
    assert run_cron(space) == ""


def test_settings_that_cannot_be_read_are_told(space: WebSpace) -> None:
    config = space.home / "config.py"
    before = config.read_text("utf-8")
    config.write_text("API_KEY = \n", "utf-8")
    try:
        told = run_cron(space)
        assert "The worker cannot be started: SyntaxError" in told
        assert "Traceback" not in told
    finally:
        config.write_text(before, "utf-8")
    assert run_cron(space) == ""


def trouble(space: WebSpace) -> Path:
    return space.home / "logs" / "cron-trouble.json"


def age(space: WebSpace, **seconds: float) -> None:
    """Make what was noted so much older."""
    known = json.loads(trouble(space).read_bytes())
    for name, more in seconds.items():
        known[name] -= more
    trouble(space).write_text(json.dumps(known), "utf-8")


def test_handlers_that_read_files_are_not_installed(space: WebSpace) -> None:
    text = (space.home / "handlers.py").read_text("utf-8")
    assert "example.echo" in text
    assert "digest" not in text
    assert "http.check" not in text


def test_unless_somebody_asks_for_them() -> None:
    with WebSpace("cgi", "/queue") as space:
        space.upload_installer()
        space.upload(next(archives().glob("*.zip")))
        done = space.install({"examples": True}, "--json")
        assert done.returncode == 0, done
        assert "files.digest" in (space.home / "handlers.py").read_text("utf-8")


def test_the_registered_types_are_those_of_the_handlers() -> None:
    text = (PROJECT / "app" / "install" / "starter_handlers.py").read_text("utf-8")
    (types,) = (
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TASK_TYPES"
    )
    assert ast.literal_eval(types) == EXAMPLES
