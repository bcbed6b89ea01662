"""Commands in a terminal, and where there is none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from app.install.migrate import migrate
from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
from tests.cli.runner import Commands
from tests.support.mariadb import DatabaseServer
from tests.support.programs import environment, run_flask
from tests.support.queue import register, site_at
from tests.support.server import PROJECT


def in_terminal(url: str, *arguments: str, typed: bytes = b"") -> tuple[int, str]:
    """The exit code, and what the terminal shows."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "passenger_wsgi", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env=environment(url),
        cwd=PROJECT,
    )
    os.close(child)
    os.write(parent, typed)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # how Linux says that nobody holds the other end
            piece = b""
        if not piece:
            break
        shown += piece
    os.close(parent)
    return process.wait(), shown.decode()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_long_commands_show_how_far_they_are(site: Site, database_url: str, tmp_path: Path) -> None:
    register(site, "mail")
    create(site, [NewTask("mail", {"n": n}) for n in range(500)])
    for arguments in (
        ("tasks", "export", str(tmp_path / "tasks.jsonl")),
        ("tasks", "import", str(tmp_path / "tasks.jsonl")),
        ("backup", str(tmp_path / "all.jsonl")),
        ("backup", str(tmp_path / "all.sqlite3")),
        ("restore", str(tmp_path / "all.jsonl"), "--replace", "--yes"),
        ("restore", str(tmp_path / "all.sqlite3"), "--replace", "--yes"),
    ):
        code, shown = in_terminal(database_url, *arguments)
        assert code == 0, shown
        assert "100%" in shown or "1002/1002" in shown, (arguments, shown)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_question_is_answered(site: Site, database_url: str, tmp_path: Path) -> None:
    register(site, "mail")
    file = str(tmp_path / "all.jsonl")
    Commands(site).output("backup", file)
    code, shown = in_terminal(database_url, "restore", file, "--replace", typed=b"n\n")
    assert code == 1
    assert "Delete what the database holds: task_types (1 row)? [y/N]: " in shown
    code, shown = in_terminal(database_url, "restore", file, "--replace", typed=b"y\n")
    assert (code, shown.splitlines()[-1][:8]) == (0, "Restored")


def test_a_wrong_setting_is_one_line() -> None:
    env = environment("sqlite:////nowhere/queue.sqlite3", TASKMANAGER_CALL_DEADLINE="soon")
    done = run_flask("tasks", "list", env=env)
    assert done.returncode == 1
    assert done.stderr == (
        "TaskManager cannot start: CALL_DEADLINE must be a number of seconds from 1 to 600, and "
        "is 'soon'\n"
    )


@pytest.mark.parametrize("arguments", [("tasks", "list"), ("tasks", "add", "x"), ("types", "list")])
def test_a_database_that_is_away_is_one_line(arguments: tuple[str, ...]) -> None:
    env = environment("mysql+pymysql://u:secret@127.0.0.1:1/q", TASKMANAGER_CALL_DEADLINE="2")
    done = run_flask(*arguments, env=env)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the database cannot be reached")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_tables_with_a_prefix(engine: str, mariadb: DatabaseServer) -> None:
    prefixed = site_at(mariadb.create_database("tm_prefixed"), TABLE_PREFIX="tm_")
    migrate(prefixed.settings.database)
    commands = Commands(prefixed)
    of_type = '{"name": "mail", "version": "1", "param_schema": {}}'
    assert commands.output("types", "register", stdin=of_type) == "Task type mail registered\n"
    made = commands.json("tasks", "add", "mail")["id"]
    assert [each["id"] for each in commands.json("tasks", "list")["tasks"]] == [made]
    exported = commands.run("tasks", "export").stdout
    assert commands.output("tasks", "delete", str(made)) == "1 task deleted\n"
    assert commands.output("tasks", "import", stdin=exported) == "1 task created\n"
    assert commands.json("workers", "list") == {"workers": []}
    prefixed.db.close()
