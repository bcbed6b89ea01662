"""A monitor of cron jobs, in the manner of Healthchecks."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.net import HOST


class Monitor:
    """A monitor that keeps the pings it gets: the path with the query, and the text."""

    def __init__(self, status: int = 200) -> None:
        self.pings: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer((HOST, 0), self._handler(status))
        self.url = f"http://{HOST}:{self._server.server_port}/check-1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.pings]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, status: int) -> type[BaseHTTPRequestHandler]:
        pings = self.pings

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                pings.append((self.path, body.decode("utf-8")))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
