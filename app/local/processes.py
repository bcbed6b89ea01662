"""The processes that are started: pip, the server, workers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import IO

from app.local.console import printable
from app.local.paths import PROJECT
from app.local.signals import Signals

STOP_SECONDS = 10.0  # for a process to end by itself
HOST = "127.0.0.1"

FOREIGN_VARIABLES = {
    *("PYTHONHOME", "PYTHONPATH"),
    *("WORKER_ID", "TASK_TYPE_PATTERN", "TASK_TYPES", "POLL_INTERVAL", "MAX_RUNS"),
    *("DEBUG", "HANDLERS", "BATCH"),
}
"""What would change the settings of the worker, besides TASKMANAGER_… and FLASK_…"""


class Children:
    """The processes that were started. Leaving the `with` block ends every one of them."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self._signals.call_instead(self.kill)
        for process in reversed(self._running[:]):
            self.stop(process)

    def start(
        self, command: list[str], output: int | IO[bytes], env: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a command in the project's folder, standard error joined to its output."""
        # In a session of its own it gets no Ctrl-C from the terminal: `stop` ends it in order.
        with self._signals.held():
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.append(process)
        return process

    def run(self, command: list[str], env: dict[str, str]) -> tuple[int, str]:
        """Run a command to its end: its exit code and what it printed."""
        process = self.start(command, subprocess.PIPE, env)
        output, _ = process.communicate()
        self._running.remove(process)
        return process.returncode, output.decode("utf-8", "replace")

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ask a process to end, and kill it if it does not."""
        _signal(process, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()
        self._running.remove(process)

    def kill(self) -> None:
        """Kill all of them at once."""
        for process in self._running:
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], signum: int) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)


def child_environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would change the settings of its children."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TASKMANAGER_", "FLASK_")) and name not in FOREIGN_VARIABLES
    }
    # No bytecode files in a folder whose files are being counted.
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["PYTHONUNBUFFERED"] = "1"
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, [env.get(name), HOST]))
    env.update(variables)
    return env


def last_lines(text: str, count: int = 12) -> str:
    """The end of what a process printed, indented."""
    lines = text.rstrip().splitlines()[-count:]
    return "\n".join("    " + printable(line) for line in lines) or "    (it printed nothing)"


def log_tail(path: Path) -> str:
    """The end of a log file, indented."""
    try:
        return last_lines(path.read_text("utf-8", "replace"))
    except OSError:
        return "    (no log)"
