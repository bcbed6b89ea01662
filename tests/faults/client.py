"""What a client of the servers under test has: calls, a journal, its name. The works themselves are
in works.py and chaos_works.py.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
from typing import Any

from tests.support.http_client import HttpClient, Response
from tests.support.net import HOST

RESPONSE_SECONDS = 60
INSIST_SECONDS = 90
"""How long a client insists before it gives up: longer than any fault lasts."""


class Client:
    """Calls with one connection each, as a program on another host makes them. Where there are
    several servers each call goes to any of them, as a load balancer has it.
    """

    def __init__(self, ports: list[int], api_key: str) -> None:
        self._servers = [
            HttpClient(HOST, port, api_key=api_key, seconds=RESPONSE_SECONDS) for port in ports
        ]
        self._api_key = api_key
        self.port = ports[0]
        """The port of the server of the last call."""

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Response:
        """One call, once, with this Idempotency-Key. Raises OSError or HTTPException when no whole
        response comes back.
        """
        return self.call("POST", path, body, key)

    def get(self, path: str) -> Response:
        return self.call("GET", path, None)

    def call(
        self, method: str, path: str, body: dict[str, Any] | None, key: str | None = None
    ) -> Response:
        server = random.choice(self._servers)
        self.port = server.port
        headers = {"X-API-Key": self._api_key}
        if key is not None:
            headers["Idempotency-Key"] = key
        return server.call(method, path, body, headers)


class Journal:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "at": time.monotonic(), **facts}) + "\n"
        os.write(self._file, line.encode("ascii"))


class Work:
    """What every work has: a client, a journal, its own name, and a sign to stop."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.client = Client(arguments["ports"], arguments["api_key"])
        self.journal = Journal(arguments["journal"])
        self.name: str = arguments["name"]
        self.number: int = arguments["number"]
        self.options: dict[str, Any] = arguments["options"]
        self._stop: str = arguments["stop"]
        self._calm: str = arguments["calm"]

    def is_to_stop(self) -> bool:
        return os.path.exists(self._stop)

    def is_calm(self) -> bool:
        """Whether it is time to finish what there is, and to begin nothing new."""
        return os.path.exists(self._calm)

    def post(self, path: str, body: dict[str, Any]) -> Response:
        """One call, its status noted."""
        response = self.client.post(path, body)
        self.journal.write("response", path=path, status=response.status)
        return response

    def insist(self, path: str, body: dict[str, Any]) -> Response:
        """The same call again and again until its response is something else than a 503."""
        deadline = time.monotonic() + INSIST_SECONDS
        while True:
            try:
                response = self.client.post(path, body)
                if response.status != 503:
                    return response
                trouble, retry_after = response.code, response.headers.get("retry-after")
            except (OSError, http.client.HTTPException) as error:
                trouble, retry_after = repr(error), None
            self.journal.write("trouble", path=path, what=trouble, retry_after=retry_after)
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{path} had no response for {INSIST_SECONDS} s, the last time: {trouble}"
                )
            time.sleep(0.05)

    def took(self, tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            self.journal.write("claimed", id=task["id"], attempt=task["attempts"], by=self.name)

    def completed(self, task: dict[str, Any], result: Any) -> None:
        self.journal.write("completed", id=task["id"], attempt=task["attempts"], result=result)
