"""A fresh copy of the project, installed once by the command under test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.deploy import webspace
from tests.deploy.support import Run, deploy, start_deploy
from tests.support.checkout import copy_project
from tests.support.net import wait_until


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.getbasetemp()
    is_one_of_many = "PYTEST_XDIST_WORKER" in os.environ
    webspace.shared_folder[:] = [own.parent if is_one_of_many else own]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in a folder whose name needs quoting."""
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


@pytest.fixture
def installed(checkout: Path, first_run: Run) -> Path:
    """The copy with its virtual environment and its queue."""
    assert first_run.code == 0, first_run
    return checkout


@pytest.fixture
def sibling(installed: Path, tmp_path: Path) -> Path:
    """Another copy, without a queue, that shares the installed one's virtual environment."""
    copy = copy_project(tmp_path / "sibling")
    (copy / ".venv").symlink_to(installed / ".venv")
    return copy
