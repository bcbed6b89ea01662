"""Copies of a live SQLite file, made with the very commands of docs/reliability.md."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.calls import create_plain, register
from tests.support.server import PROJECT, Server

PAGE = (PROJECT / "docs" / "reliability.md").read_text("utf-8")
COMMANDS = [line for line in PAGE.splitlines() if "copy-" in line and "sqlite3" in line]
TASKS = 50


@pytest.fixture
def live_file(tmp_path: Path) -> Iterator[Path]:
    """The file of a server that runs, with tasks in it."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "queue.sqlite3"
    with Server({"DATABASE_URL": f"sqlite:///{path}"}) as server:
        register(server, "plain")
        create_plain(server, TASKS)
        yield path


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        (found,) = connection.execute("SELECT COUNT(*) FROM tasks").fetchone()
    except sqlite3.OperationalError:  # not even the tables are in the copy
        return 0
    finally:
        connection.close()
    return int(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_copy_by_the_page_is_whole(live_file: Path, tmp_path: Path, command: str) -> None:
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    (name,) = re.findall(r"copy-\d\.sqlite3", command)
    assert count(tmp_path / name) == TASKS


def test_the_page_has_the_commands() -> None:
    assert len(COMMANDS) == 3


def test_a_plain_copy_misses_tasks(live_file: Path, tmp_path: Path) -> None:
    shutil.copy(live_file, tmp_path / "plain.sqlite3")
    assert count(tmp_path / "plain.sqlite3") < TASKS
