"""Copies of the project, installed by the command under test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.support import Run, deploy, start_deploy
from tests.support.checkout import copy_project
from tests.support.net import wait_until


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy as somebody gets it, in a folder whose name needs quoting."""
    return copy_project(tmp_path_factory.mktemp("home") / "Task Manager's copy")


@pytest.fixture(scope="session")
def interrupted_run(checkout: Path) -> Run:
    """The very first run, ended while it made the virtual environment."""
    process = start_deploy(checkout, "--local", "--once")
    wait_until(lambda: os.path.lexists(checkout / ".venv" / "bin" / "python"), 60, "a new .venv")
    process.send_signal(signal.SIGINT)
    return Run.of(process)


@pytest.fixture(scope="session")
def first_run(checkout: Path, interrupted_run: Run) -> Run:
    """The first run that was let alone, in surroundings that must not matter to it."""
    return deploy(
        checkout,
        "--local",
        "--once",
        env={
            "COLUMNS": "40",
            "DEBUG": "1",
            "FLASK_DEBUG": "1",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
            "TASK_TYPES": "no.such.type",
            "TASKMANAGER_API_KEY": "another-key",
            "TASKMANAGER_DATABASE_URL": "sqlite:////nowhere/else.sqlite3",
        },
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another copy, with a queue. Its virtual environment borrows the packages of the tests' own,
    so that pip finds all of them.
    """
    copy = copy_project(tmp_path_factory.mktemp("installed") / "Task Manager's copy")
    command = [sys.executable, "-m", "venv", "--without-pip", str(copy / ".venv")]
    subprocess.run(command, check=True)
    (packages,) = copy.glob(".venv/lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run = deploy(copy, "--local", "--once")
    assert run.code == 0, run
    return copy


@pytest.fixture
def sibling(installed: Path, tmp_path: Path) -> Path:
    """A third copy, without a queue, that shares the installed one's virtual environment."""
    copy = copy_project(tmp_path / "sibling")
    (copy / ".venv").symlink_to(installed / ".venv")
    return copy
