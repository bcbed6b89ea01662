"""The wire between workers and a server: every call passes here, is noted, and may go wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import select
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.net import HOST

SECONDS = 60
NEVER = math.inf
ON_THE_WAY_THERE, ON_THE_WAY_BACK = "request under way", "answer under way"


@dataclass
class Call:
    """One call of a worker and what became of it. Times are those of time.monotonic()."""

    worker: str
    path: str
    body: dict[str, Any]
    arrived_at: float
    committed_at: float = NEVER  # the server has answered
    answered_at: float = NEVER  # the worker has been sent the answer
    fault: str = "pass"
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def claims(self) -> bool:
        """Whether it asks for tasks."""
        return self.path.endswith("/claim") or "claim" in self.body

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """What it reports."""
        reported: list[dict[str, Any]] = self.body.get("outcomes", [])
        return reported

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """What the server has handed out with it."""
        return list((self.answer.get("data") or {}).get("tasks", ())) if self.claims else []

    @property
    def settled(self) -> list[dict[str, Any]]:
        """What the server has said of each outcome."""
        return list((self.answer.get("data") or {}).get("settled", ()))

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Tasks and attempts that the server, asked to extend their leases, no longer knows."""
        if not self.path.endswith("/tasks/heartbeat"):
            return []
        kept = (self.answer.get("data") or {}).get("tasks", ())
        asked = {each["id"]: each["attempt"] for each in self.body["tasks"]}
        return [(each["id"], asked[each["id"]]) for each in kept if "code" in each]

    def stage(self, since: float, until: float) -> str:
        """Where it was all the time between these two; empty when nowhere or not all the time."""
        if self.arrived_at < since and self.committed_at > until:
            return ON_THE_WAY_THERE
        if self.committed_at < since and self.answered_at > until:
            return ON_THE_WAY_BACK
        return ""


Fault = Callable[[Call], str]
"""What happens to a call, one of
"pass", "page" (502 in HTML, the server never sees the call), "refuse" (the connection is closed,
the server never sees the call), "drop" (the server does it, and the connection is closed without
an answer), "hang" (the server does it, and the worker waits for the answer until it gives up)."""


class Wire:
    """An HTTP proxy; the address of each worker's own begins with its name.

    `pace` is called with each call on each of its ways, and may take its time.
    """

    def __init__(
        self,
        target: str,
        fault: Fault = lambda _call: "pass",
        pace: Callable[[Call, str], None] = lambda _call, _way: None,
    ) -> None:
        self.target = urlsplit(target)
        self.fault, self.pace = fault, pace
        self._calls: dict[str, list[Call]] = {}
        self._lock = threading.RLock()  # faults look at what has passed
        self._server = _QuietServer((HOST, 0), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, worker: str = "worker") -> str:
        return f"http://{HOST}:{self._server.server_port}/{worker}{self.target.path}"

    def calls(self, worker: str | None = None) -> list[Call]:
        """Of one worker or of all, in the order in which they came."""
        with self._lock:
            if worker is not None:
                return list(self._calls.get(worker, ()))
            return [call for calls in self._calls.values() for call in calls]

    def faults(self) -> list[str]:
        return [call.fault for call in self.calls() if call.fault != "pass"]

    def note(self, call: Call) -> None:
        with self._lock:
            self._calls.setdefault(call.worker, []).append(call)
            call.fault = self.fault(call)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        # Workers that are killed break their connections.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*args)


def _handler_for(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            if len(raw) < length:
                self.close_connection = True  # the worker was killed in the middle of it
                return
            _, worker, path = self.path.split("/", 2)
            call = Call(worker, f"/{path}", json.loads(raw or b"{}"), time.monotonic())
            wire.note(call)
            if call.fault == "page":
                self._answer(502, b"<html><h1>Bad Gateway</h1></html>", "text/html")
            elif call.fault == "refuse":
                self.close_connection = True
            else:
                wire.pace(call, ON_THE_WAY_THERE)
                self._pass_on(call, raw)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

        def _pass_on(self, call: Call, raw: bytes) -> None:
            status, content, kind = self._ask_server(call.path, raw)
            with contextlib.suppress(ValueError):
                call.answer = json.loads(content)
            call.committed_at = time.monotonic()
            if call.fault in ("drop", "hang"):
                self.close_connection = True
                if call.fault == "hang":
                    select.select([self.connection], [], [], SECONDS)
                return
            wire.pace(call, ON_THE_WAY_BACK)
            self._answer(status, content, kind)
            call.answered_at = time.monotonic()

        def _ask_server(self, path: str, raw: bytes) -> tuple[int, bytes, str]:
            server = http.client.HTTPConnection(wire.target.netloc, timeout=SECONDS)
            names = [name for name in ("X-API-Key", "Content-Type") if name in self.headers]
            with contextlib.closing(server):
                try:
                    server.request(
                        self.command, path, raw, {name: self.headers[name] for name in names}
                    )
                    answer = server.getresponse()
                    return answer.status, answer.read(), answer.headers["Content-Type"]
                except (OSError, http.client.HTTPException):
                    return 502, b"<html><h1>Bad Gateway</h1></html>", "text/html"

        def _answer(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
