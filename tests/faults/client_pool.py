"""Many clients at once, each a process of its own, some of them to be killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.net import wait_until
from tests.support.server import PROJECT, Server

READY_SECONDS = 60
END_SECONDS = 180

Event = dict[str, Any]


class ClientPool:
    """Clients of one queue. Each gets a name; what they note is read back by ``events``."""

    def __init__(self, server: Server, folder: Path, *more: Server) -> None:
        """``more`` servers of the same queue share its calls."""
        self._servers = [server, *more]
        self._folder = folder
        self._stop = folder / "stop"
        self._calm = folder / "calm"
        self._clients: list[_Client] = []

    def __enter__(self) -> ClientPool:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.kill()

    def start(self, works: list[str], **options: Any) -> None:
        """A client for each of these works of works.py and chaos_works.py. They begin together."""
        first = len(self._clients)
        for work in works:
            self._clients.append(self._new_client(work, options))
        new = self._clients[first:]
        wait_until(
            lambda: all(client.is_ready() for client in new), READY_SECONDS, "clients to be ready"
        )
        for client in new:
            client.begin()

    def kill_one(self, work: str) -> None:
        """SIGKILL to one of the running clients that do this work."""
        running = [each for each in self._clients if each.work == work and each.is_running()]
        random.choice(running).kill()

    def wait_until(
        self, condition: Callable[[], object], what: str, seconds: float = END_SECONDS
    ) -> None:
        """Until the condition holds. Raises AssertionError as soon as a client has failed, and
        TimeoutError after so many seconds.
        """

        def holds() -> bool:
            for client in self._clients:
                client.check()
            return bool(condition())

        wait_until(holds, seconds, what)

    def tell_to_calm_down(self) -> None:
        """Ask for an end of new work; the rest is to be finished."""
        self._calm.touch()

    def tell_to_stop(self) -> None:
        self._stop.touch()

    def join(self, seconds: float = END_SECONDS) -> None:
        """Wait for every client's end. Raises AssertionError with what a failed one printed."""
        deadline = time.monotonic() + seconds
        for client in self._clients:
            client.join(deadline)

    def events(self, event: str) -> list[Event]:
        """What all clients noted under this name, in the order of time."""
        found = [each for client in self._clients for each in client.events()]
        return sorted((each for each in found if each["event"] == event), key=lambda e: e["at"])

    def _new_client(self, work: str, options: dict[str, Any]) -> _Client:
        number = len(self._clients)
        name = f"client-{number}"
        arguments = {
            "work": work,
            "ports": [server.port for server in self._servers],
            "api_key": self._servers[0].api_key,
            "journal": str(self._folder / f"{name}.jsonl"),
            "stop": str(self._stop),
            "calm": str(self._calm),
            "name": name,
            "number": number,
            "options": options,
        }
        return _Client(work, arguments)


class _Client:
    def __init__(self, work: str, arguments: dict[str, Any]) -> None:
        self.work = work
        self._journal = Path(arguments["journal"])
        self._errors = self._journal.with_suffix(".err")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.client_process", json.dumps(arguments)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
            )

    def is_ready(self) -> bool:
        if not self.is_running():
            raise RuntimeError(f"a client ended at its start:\n{self._errors.read_text()}")
        return self._journal.exists() and self._journal.stat().st_size > 0

    def begin(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        if self.is_running():
            self._process.kill()
        self._process.wait()

    def join(self, deadline: float) -> None:
        try:
            self._process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"a client doing {self.work} does not end") from None
        self.check()

    def check(self) -> None:
        """Raises AssertionError with what the client printed when it has failed."""
        if self._process.poll() not in (None, 0, -signal.SIGKILL):
            raise AssertionError(f"a client doing {self.work} failed:\n{self._errors.read_text()}")

    def events(self) -> list[Event]:
        return [json.loads(line) for line in self._journal.read_text("ascii").splitlines()]
