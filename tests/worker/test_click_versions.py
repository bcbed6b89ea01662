"""The command line under other versions of click: the oldest that setup.cfg allows, and 8.2.0 and
8.2.1, which ignore or turn round some switches. The newest is the one that all tests run with.
"""

from __future__ import annotations

import configparser
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.server import PROJECT
from tests.worker.support import Queue, Workers

SECONDS = 600
SUITES = (
    "tests/worker/test_options.py",
    "tests/worker/test_config_file.py",
    "tests/worker/test_command_line.py",
)


def oldest() -> str:
    config = configparser.ConfigParser(interpolation=None)
    config.read(PROJECT / "setup.cfg", encoding="utf-8")
    match = re.search(r"^click>=([\d.]+)$", config["options"]["install_requires"], re.MULTILINE)
    assert match, "setup.cfg names the oldest click"
    return match[1]


# click 8.2 needs Python 3.10.
VERSIONS = [oldest(), *(["8.2.0", "8.2.1"] if sys.version_info >= (3, 10) else [])]


def installed(version: str) -> Path:
    """The folder with this version, beside the tests' other packages."""
    folder = Path(sys.prefix) / f"click-{version}"
    with _alone(folder):
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
            wanted = ["--no-deps", "--target", str(folder), f"click=={version}"]
            run([*pip, "install", "--quiet", *wanted])
            (folder / ".complete").touch()
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with open(f"{folder}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: list[str], **env: str) -> str:
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tests_of_the_command_line_pass(version: str) -> None:
    """Each option and switch: on the command line, by environment, by file, on and off; the help,
    and what is said of wrong usage. What follows once the options are read is not click's.
    """
    path = {"PYTHONPATH": str(installed(version))}
    used = run([sys.executable, "-c", "import click; print(click.__file__)"], **path)
    assert used.startswith(path["PYTHONPATH"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    output = run([*command, *SUITES], **path, PYTEST_ADDOPTS="")
    assert re.search(r"^\d{2,} passed in", output, re.MULTILINE), output


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_line_from_cron_works(queue: Queue, workers: Workers, version: str) -> None:
    path = {"PYTHONPATH": str(installed(version))}
    workers.write_handlers(
        """
        @task("t.echo")
        def echo(params):
            return params
        """
    )
    queue.register("t.echo")
    ids = queue.create_many("t.echo", 2)
    code, output = workers.run("--until-empty", "--max-time", "55", "--lock", **path)
    assert (code, queue.statuses(ids)) == (0, ["completed"] * 2), output
    assert workers.run("--lock", "own.lock", **path, UNTIL_EMPTY="yes", DEBUG="no") == (0, "")
    assert (workers.folder / "own.lock").exists()
    code, output = workers.run("--help", **path)
    assert (code, "--until-empty" in output, "UNTIL_EMPTY" in output) == (0, True, True)
