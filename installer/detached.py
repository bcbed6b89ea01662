"""Detached processes: work that goes on when the host ends the request that started it.

A process reads its request as JSON from standard input and leaves its result in a file. While it
runs it holds a lock, so that later requests know that it is at work.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time

from app.install.errors import InstallError
from app.install.files import is_locked, locked, read_json
from installer.disk import disk_trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


class IncompleteStep(Exception):
    """A step did a part of its work and has to be taken again. The message says how far it is."""

    def __init__(self, message: str, part: float = 0.0) -> None:
        super().__init__(message)
        self.part = part


class DetachedProcess:
    """One process by its name. ``folder`` is where it runs, ``command`` what it is."""

    def __init__(self, home: Path, name: str, command: list[str], folder: Path) -> None:
        self._home = home
        self._command = command
        self._folder = folder
        self._result = result_path(home, name)
        self._lock = lock_path(home, name)
        self.log = home / "logs" / f"{name}.log"

    def result_of(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Start it unless it runs or has ended, and wait for its result.

        Raises IncompleteStep while it is at work, InstallError when it ended without a result.
        """
        if not is_under_way(self._result, self._lock):
            self._start({**request, "answer": str(self._result)})
        while is_locked(self._lock):
            if time.monotonic() > deadline:
                raise IncompleteStep(tail(self.log, 1).strip()[:120], 0.5)
            time.sleep(0.05)
        result = read_json(self._result)
        self._result.unlink(missing_ok=True)
        if not result:
            raise InstallError(self._why_it_ended())
        return result

    def _start(self, request: dict[str, Any]) -> None:
        # Only a concurrent check can hold this lock, and only briefly.
        with locked(self._lock, wait=True) as descriptor, self.log.open("wb") as output:
            process = subprocess.Popen(
                self._command,
                cwd=str(self._folder),
                env=dict(os.environ),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(request).encode())

    def _why_it_ended(self) -> str:
        return disk_trouble(self._home) or (
            f"The process of this step was ended before it was done. {self.log} ends:\n"
            f"{tail(self.log)}\n"
            "Try again; if it happens again, ask your host about limits of memory and time."
        )


def result_path(home: Path, name: str) -> Path:
    return home / f".htanswer-{name}"


def lock_path(home: Path, name: str) -> Path:
    return home / f".htlock-{name}"


def is_under_way(result: Path, lock: Path) -> bool:
    """Whether the process runs, or has left a result that nobody has read."""
    return is_locked(lock) or result.exists()


def tail(path: Path, count: int = 12) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(path.read_text("utf-8", "replace").rstrip().splitlines()[-count:])
    except OSError:
        return "(nothing)"
