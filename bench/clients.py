"""Who calls a queue while it is measured: connections that stay open, in processes of their own."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import socket
import statistics
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.support.server import API_KEY

SECONDS_MORE = 60
"""How long a client may take beyond its time."""

Work = Callable[[str, str, float], float]
"""Takes an address, the client's name and seconds; returns how much it did in a second."""


class Refused(Exception):
    """A response with an error: its status and what it says."""


class Client:
    """One connection that is kept open, as a busy worker keeps it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS_MORE)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The response's data; None for 404. Raises Refused for any other error."""
        payload = None if body is None else json.dumps(body)
        status, text = self._exchange(method, path, payload)
        try:
            document = json.loads(text)
        except ValueError:  # a server's own page
            raise Refused(f"{path}: {status} {text[:300]}") from None
        if status >= 400 and status != 404:
            raise Refused(f"{path}: {status} {document}")
        return document.get("data")

    def read(self, path: str) -> str:
        """The text of a GET's response, whatever its status."""
        return self._exchange("GET", path, None)[1]

    def _exchange(self, method: str, path: str, payload: str | None) -> tuple[int, str]:
        try:
            response = self._send(method, path, payload)
        except (http.client.RemoteDisconnected, ConnectionError):
            # gunicorn closes what was idle for two seconds.
            self._connection.close()
            response = self._send(method, path, payload)
        return response.status, response.read().decode("utf-8")

    def _send(self, method: str, path: str, payload: str | None) -> http.client.HTTPResponse:
        headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
        self._connection.request(method, f"/api{path}", payload, headers)
        # As worker.py does: uWSGI's HTTP router sends the rest of a response when its beginning is
        # acknowledged, with which Linux waits 40 ms.
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._connection.getresponse()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.call("POST", path, body)

    def get(self, path: str) -> Any:
        return self.call("GET", path)


def rate(work: Work, url: str, clients: int, seconds: float) -> float:
    """What ``clients`` processes do together in a second. Raises RuntimeError when one stops."""
    results: Any = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=_run, args=(work, url, f"bench-{each}", seconds, results))
        for each in range(clients)
    ]
    for process in processes:
        process.start()
    try:
        found = [results.get(timeout=seconds + SECONDS_MORE) for _ in processes]
    finally:
        for process in processes:
            process.join(SECONDS_MORE)
            process.kill()
    problems = [each for each in found if isinstance(each, str)]
    if problems:
        raise RuntimeError(f"a client stopped: {problems[0]}")
    return float(sum(found))


def _run(work: Work, url: str, name: str, seconds: float, results: Any) -> None:
    """Puts what it did in a second, or what stopped it."""
    try:
        results.put(work(url, name, seconds))
    except Exception:
        results.put(traceback.format_exc())


def median_ms(call: Callable[[], object], seconds: float, at_least: int = 5) -> float:
    """The median milliseconds of a call that is made again and again, after one that warms up."""
    call()
    spent: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(spent) < at_least:
        begun = time.perf_counter()
        call()
        spent.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spent)
