"""What the tests of the example clients share: programs to run, and the example task types."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.server import PROJECT
from tests.worker.support import Queue

EXAMPLES = PROJECT / "examples"
SECONDS = 60
SETTINGS = (
    "WORKER_ID",
    "TASK_TYPE_PATTERN",
    "TASK_TYPES",
    "POLL_INTERVAL",
    "MAX_RUNS",
    "DEBUG",
)


class Run:
    """A program that runs, and then its exit code and what it printed."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    def code(self) -> int:
        """Waits for the end."""
        return self.process.wait(SECONDS)

    @property
    def output(self) -> str:
        """What it has printed so far, errors and all."""
        return self._output.read_text("utf-8", "replace")

    def terminate(self) -> None:
        """As `kill` does."""
        self.process.send_signal(signal.SIGTERM)

    def press_ctrl_c(self) -> None:
        """As a terminal does: the signal goes to everything that the program started, too."""
        os.killpg(self.process.pid, signal.SIGINT)


class Programs:
    """Starts a program against a server, again and again, and ends what is left of them."""

    def __init__(self, command: Sequence[str], url: str, key: str) -> None:
        self._command = list(command)
        self._url, self._key = url, key
        # A file takes what is printed: a pipe would be held open by what the program started.
        self._folder = tempfile.TemporaryDirectory(prefix="tm-client-")
        self._started: list[Run] = []

    def start(self, *options: str, url: str | None = None, **env: str) -> Run:
        """Starts it with these options; the address and the key come from the environment."""
        own = {"TASKMANAGER_API_URL": url or self._url, "TASKMANAGER_API_KEY": self._key}
        output = Path(self._folder.name) / f"output-{len(self._started)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*self._command, *options],
                cwd=self._folder.name,
                env={**inherited(), **own, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Signals of the terminal that runs the tests are not for it.
                start_new_session=True,
            )
        run = Run(process, output)
        self._started.append(run)
        return run

    def run(self, *options: str, url: str | None = None, **env: str) -> tuple[int, str]:
        """Runs it to its end: exit code and what it printed."""
        run = self.start(*options, url=url, **env)
        return run.code(), run.output

    def end(self) -> None:
        for run in self._started:
            if run.process.poll() is None:
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait()
        self._folder.cleanup()


class Shell:
    """Somebody's terminal in a folder."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self._env = {**inherited(), **env}
        self._started: list[subprocess.Popen[str]] = []

    def start(self, script: str, **env: str) -> subprocess.Popen[str]:
        """In a group of its own, with everything that it leaves running in the background."""
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**self._env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, script: str, **env: str) -> str:
        """What it prints; it must end well."""
        process = self.start(script, **env)
        output = process.communicate(timeout=SECONDS)[0]
        assert process.returncode == 0, output
        return output

    def end(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()


def with_key(queue: Queue) -> str:
    """The address with the key in it, for what can only be given an address."""
    return queue.url.replace("://", f"://x:{queue.key}@")


def inherited() -> dict[str, str]:
    """The environment without what would be a setting, or a proxy to the loopback address."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TASKMANAGER_")
        and name not in SETTINGS
        and not name.lower().endswith("_proxy")
    }


def example_types() -> list[dict[str, Any]]:
    """The task types of examples/handlers.py, read without running it."""
    for node in ast.parse((EXAMPLES / "handlers.py").read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TASK_TYPES":
            assert node.value is not None
            types: list[dict[str, Any]] = ast.literal_eval(node.value)
            return types
    raise AssertionError("examples/handlers.py has no TASK_TYPES")
