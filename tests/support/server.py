"""A real server process for the tests: gunicorn on a free port, with a config of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.net import HOST, free_port, wait_until

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


class Server:
    """TaskManager under gunicorn, with the settings of a dict. `stop` and `start` keep the port."""

    def __init__(
        self,
        config: Mapping[str, Any],
        workers: int = 1,
        threads: int = 4,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """`env` is added to the server's environment, `prefix` comes before its command."""
        self._folder = Path(tempfile.mkdtemp(prefix="tm-server-"))
        self._config = self._folder / "config.py"
        self._log = self._folder / "server.log"
        self._workers, self._threads = workers, threads
        self._env, self._prefix = dict(env or {}), list(prefix)
        self._process: subprocess.Popen[bytes] | None = None
        settings = {"API_KEY": API_KEY, **config}
        self._config.write_text("".join(f"{k} = {v!r}\n" for k, v in settings.items()), "utf-8")
        self.api_key = str(settings["API_KEY"])
        self.database_url = str(settings.get("DATABASE_URL", ""))
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/api"

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Start it and wait for its first healthy answer. Raises RuntimeError with the log."""
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *self._gunicorn()],
                cwd=PROJECT,
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

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """One call: status and answer. `path` follows `/api`; bytes are sent as they are.

        Without `headers` the API key is sent; with them nothing but them. An answer that is no
        JSON object raises AssertionError.
        """
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"X-API-Key": self.api_key} if headers is None else dict(headers)
        if payload is not None:
            sent.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, payload, sent, method=method)
        status, raw = _answer(request)
        try:
            document = json.loads(raw)
        except ValueError:
            document = None
        assert isinstance(document, dict), (
            f"{method} {path}: {status}, no JSON object: {raw[:500]!r}"
        )
        return status, document

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
        return {**own, **home, "TASKMANAGER_CONFIG": str(self._config), **self._env}

    def _is_healthy(self) -> bool:
        # gunicorn goes on starting workers that cannot start.
        if not self.is_running() or "exited with code" in self.log():
            raise RuntimeError(f"the server ended at its start:\n{self.log()}")
        with contextlib.suppress(OSError, AssertionError):
            return self.call("GET", "/health")[0] == 200
        return False

    def _end(self, signum: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signum)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answer(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with _opener.open(request, timeout=60) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
