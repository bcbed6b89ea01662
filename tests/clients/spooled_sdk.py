"""The published packages of Spooled, each version in a folder of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("spooled_program.py")
PYTHONS = [sys.executable, "python3", *(f"python3.{minor}" for minor in range(10, 20))]
INSTALL_SECONDS = 240
END_SECONDS = 120


def python() -> str:
    """An interpreter that the packages can be used with: 3.10 or newer."""
    check = "import sys; sys.exit(sys.version_info < (3, 10))"
    for name in PYTHONS:
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", check], check=False).returncode == 0:
            return found
    raise RuntimeError("Spooled's packages need a Python of 3.10 or newer beside this one")


def installed(version: str) -> Path:
    """The folder with this version, installed beside the tests' other packages if it is not."""
    folder = Path(sys.prefix) / f"spooled-{version}"
    mark = folder / ".complete"
    with _alone(folder):
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(version, folder)
            mark.touch()
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Tests in other processes wait until the first has it installed."""
    with open(f"{folder}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(version: str, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if python() != sys.executable:
        pip += ["--python", python()]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--target", str(folder), f"spooled=={version}"],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Program:
    """One scene of ``spooled_program.py`` with a version of the packages. It tells its events as
    lines of JSON, and goes on at a line where it waits for one.
    """

    def __init__(self, version: str, scene: str, base_url: str, api_key: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [python(), str(PROGRAM), scene, base_url, api_key],
            env={**environment, "PYTHONPATH": str(installed(version))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._watch = threading.Timer(END_SECONDS, self._process.kill)
        self._watch.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate()

    def next(self, event: str) -> Any:
        """The data of the next event, which must be this one."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the program ended before {event}"
        told = json.loads(line)
        assert told["event"] == event, told
        return told["data"]

    def go_on(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def rest(self) -> list[tuple[str, Any]]:
        """All events until it ended, which it must do by itself and well."""
        assert self._process.stdout
        told = [json.loads(line) for line in self._process.stdout]
        assert self._process.wait() == 0
        return [(each["event"], each["data"]) for each in told]
