"""A real server process for the tests: gunicorn on a free port, with a config of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.http_client import HttpClient, Response
from tests.support.net import HOST, free_port, wait_until
from tests.support.processes import Startable, end

PROJECT = Path(__file__).resolve().parents[2]
API_KEY = "test-key-of-a-good-length"
START_SECONDS = 60
STOP_SECONDS = 30


def faketime(offset: str) -> list[str]:
    """A command prefix that moves a Python program's clock, by "-3h" for example."""
    return [
        "env",
        f"PYTHONPATH={PROJECT / 'tests' / 'support' / 'faketime'}",
        # What a server measures spans by, its own and its workers', goes on as it was.
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "NO_FAKE_STAT=1",
        *("faketime", "-f", offset),
    ]


class Server(Startable):
    """TaskManager under gunicorn, with the settings of a dict. `stop` and `start` keep the port."""

    def __init__(
        self,
        config: Mapping[str, Any],
        workers: int = 1,
        threads: int = 4,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        project: Path = PROJECT,
    ) -> None:
        """`env` is added to the server's environment, `prefix` comes before its command;
        `project` is the checkout that it runs.
        """
        self._project = project
        self._folder = Path(tempfile.mkdtemp(prefix="tm-server-"))
        self.config = self._folder / "config.py"
        self._log = self._folder / "server.log"
        self._workers, self._threads = workers, threads
        self._env, self._prefix = dict(env or {}), list(prefix)
        self._process: subprocess.Popen[bytes] | None = None
        settings = {"API_KEY": API_KEY, **config}
        self.config.write_text("".join(f"{k} = {v!r}\n" for k, v in settings.items()), "utf-8")
        self.api_key = str(settings["API_KEY"])
        self.database_url = str(settings.get("DATABASE_URL", ""))
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/api"
        self._client = HttpClient(HOST, self.port, api_key=self.api_key)

    def start(self) -> None:
        """Start it and wait until it says that it is healthy. Raises RuntimeError with the log."""
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *self._gunicorn()],
                cwd=self._project,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_healthy, START_SECONDS, f"the server's health; see {self._log}")

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its workers at once, as a crash or the host does."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """End it and delete its config and log."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """What the server has printed so far."""
        return self._log.read_text("utf-8", "replace")

    def api(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One call of the API; see HttpClient.call."""
        return self._client.call(method, path, body, headers)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """The same: status and JSON. Raises ValueError where that is no object."""
        response = self.api(method, path, body, headers)
        return response.status, response.json

    def _gunicorn(self) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn"),
            *("--bind", f"{HOST}:{self.port}"),
            *("--workers", str(self._workers)),
            *("--threads", str(self._threads)),
            "passenger_wsgi:application",
        ]

    def _environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("TASKMANAGER_")}
        # gunicorn keeps a socket in the home folder, one for all that share it.
        home = {"HOME": str(self._folder)}
        return {**own, **home, "TASKMANAGER_CONFIG": str(self.config), **self._env}

    def _is_healthy(self) -> bool:
        # gunicorn goes on starting workers that cannot start.
        if not self.is_running() or "exited with code" in self.log():
            raise RuntimeError(f"the server ended at its start:\n{self.log()}")
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return self.call("GET", "/health")[0] == 200
        return False

    def _end(self, signum: int) -> None:
        if self._process is not None:
            end(self._process, signum, STOP_SECONDS, whole_group=True)
            self._process = None
