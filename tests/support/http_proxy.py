"""An HTTP proxy before a server: every call passes here, is noted, and may go wrong."""

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

from tests.support.http_client import HttpClient, Response
from tests.support.net import HOST

SECONDS = 60
NEVER = math.inf
ON_THE_WAY_THERE, ON_THE_WAY_BACK = "request under way", "response under way"

OF_WORKER = "/of/"
"""What precedes a worker's name in an address of its own."""

HTML_PAGE = b"<html><h1>Bad Gateway</h1></html>"
PASSED_ON = ("X-API-Key", "Content-Type")
RETRY_AFTER = {"Retry-After": "2"}


@dataclass
class ProxiedCall:
    """One call and what became of it. Times are those of time.monotonic()."""

    method: str
    path: str
    body: dict[str, Any]
    arrived_at: float
    worker: str = ""  # whose address it came by
    committed_at: float = NEVER  # the server has responded
    responded_at: float = NEVER  # the client has been sent the response
    fault: str = "pass"
    response: dict[str, Any] = field(default_factory=dict)

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
        return list((self.response.get("data") or {}).get("tasks", ())) if self.claims else []

    @property
    def settled(self) -> list[dict[str, Any]]:
        """What the server has said of each outcome."""
        return list((self.response.get("data") or {}).get("settled", ()))

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Tasks and attempts that the server, asked to extend their leases, no longer knows."""
        if not self.path.endswith("/tasks/heartbeat"):
            return []
        kept = (self.response.get("data") or {}).get("tasks", ())
        asked = {each["id"]: each["attempt"] for each in self.body["tasks"]}
        return [(each["id"], asked[each["id"]]) for each in kept if "code" in each]

    def stage(self, since: float, until: float) -> str:
        """Where it was all the time between these two; empty when nowhere or not all the time."""
        if self.arrived_at < since and self.committed_at > until:
            return ON_THE_WAY_THERE
        if self.committed_at < since and self.responded_at > until:
            return ON_THE_WAY_BACK
        return ""


Fault = Callable[["HttpProxy", ProxiedCall], str]
"""What happens to a call that has just arrived and is not noted yet, one of
"pass", "page" (502 in HTML, not forwarded), "refuse" (the connection is closed, not forwarded),
"drop" (forwarded, and the connection closed without a response), "hang" (forwarded, and the client
waits for the response until it gives up), "status:NNN" (an error in JSON, not forwarded), or
"json:TEXT" (this text for a response, not forwarded)."""

Pace = Callable[[ProxiedCall, str], None]


class HttpProxy:
    """A real proxy that keeps what passed, and misbehaves where ``fault`` tells it to.

    ``pace`` is called with each call on each of its ways, and may take its time.
    """

    def __init__(
        self,
        target: str,
        fault: Fault = lambda _proxy, _call: "pass",
        pace: Pace = lambda _call, _way: None,
    ) -> None:
        parts = urlsplit(target)
        self.server = HttpClient(parts.hostname or HOST, parts.port or 80, seconds=SECONDS)
        self.fault, self.pace = fault, pace
        self._path = parts.path
        self._calls: list[ProxiedCall] = []
        self._by_worker: dict[str, list[ProxiedCall]] = {}
        self._lock = threading.RLock()  # a fault may look at what has passed
        self._listener = _QuietServer((HOST, 0), _handler_for(self))
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,))

    def __enter__(self) -> HttpProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._listener.server_port}{self._path}"

    def url_of(self, worker: str) -> str:
        """An address of this worker's own, by which its calls are told from those of others."""
        return f"http://{HOST}:{self._listener.server_port}{OF_WORKER}{worker}{self._path}"

    def calls(self, worker: str | None = None) -> list[ProxiedCall]:
        """Of one worker or of all, in the order in which they came."""
        with self._lock:
            return list(self._calls if worker is None else self._by_worker.get(worker, ()))

    @property
    def faults(self) -> list[str]:
        return [call.fault for call in self.calls() if call.fault != "pass"]

    @property
    def paths(self) -> list[str]:
        return [call.path for call in self.calls()]

    def count(self, *endings: str) -> int:
        """How many calls had a path with one of these endings."""
        return sum(path.endswith(endings) for path in self.paths)

    def bodies(self, ending: str) -> list[dict[str, Any]]:
        return [call.body for call in self.calls() if call.path.endswith(ending)]

    def note(self, call: ProxiedCall) -> None:
        with self._lock:
            call.fault = self.fault(self, call)
            self._calls.append(call)
            self._by_worker.setdefault(call.worker, []).append(call)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        # Clients that are killed break their connections.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*args)


def _handler_for(proxy: HttpProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            if len(raw) < length:
                self.close_connection = True  # the client was killed in the middle of it
                return
            call = self._new_call(raw)
            proxy.note(call)
            self._respond(call, raw)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

        def _new_call(self, raw: bytes) -> ProxiedCall:
            worker, path = "", self.path
            if path.startswith(OF_WORKER):
                worker, _, path = path[len(OF_WORKER) :].partition("/")
                path = f"/{path}"
            body = json.loads(raw or b"{}")
            return ProxiedCall(self.command, path, body, time.monotonic(), worker)

        def _respond(self, call: ProxiedCall, raw: bytes) -> None:
            kind, _, detail = call.fault.partition(":")
            if kind == "page":
                self._send(502, HTML_PAGE, {"Content-Type": "text/html"})
            elif kind == "status":
                body = {"success": False, "error": "not now", "code": "busy"}
                self._send_json(int(detail), json.dumps(body))
            elif kind == "json":
                self._send_json(200, detail)
            elif kind == "refuse":
                self.close_connection = True
            else:
                proxy.pace(call, ON_THE_WAY_THERE)
                self._pass_on(call, raw)

        def _pass_on(self, call: ProxiedCall, raw: bytes) -> None:
            response = self._ask_server(call, raw)
            with contextlib.suppress(ValueError):
                call.response = response.json
            call.committed_at = time.monotonic()
            if call.fault in ("drop", "hang"):
                self.close_connection = True
                if call.fault == "hang":
                    select.select([self.connection], [], [], SECONDS)
                return
            proxy.pace(call, ON_THE_WAY_BACK)
            names = [name for name in ("Content-Type", "Retry-After") if name in response.headers]
            self._send(
                response.status, response.raw, {name: response.headers[name] for name in names}
            )
            call.responded_at = time.monotonic()

        def _ask_server(self, call: ProxiedCall, raw: bytes) -> Response:
            headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            try:
                return proxy.server.request(call.method, call.path, raw, headers)
            except (OSError, http.client.HTTPException):
                return Response(502, [("Content-Type", "text/html")], HTML_PAGE)

        def _send_json(self, status: int, text: str) -> None:
            more = RETRY_AFTER if status == 503 else {}
            self._send(status, text.encode(), {"Content-Type": "application/json", **more})

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler
