"""What a client of the servers under test has: calls, a journal, its name. It needs the standard
library alone; the works themselves are in works.py and chaos_works.py.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
from typing import Any, NamedTuple

ANSWER_SECONDS = 60
PATIENCE_SECONDS = 90
"""How long a client insists before it gives up: longer than any fault lasts."""


class Reply(NamedTuple):
    """``data`` is the answer's ``data``; ``code`` its error code, empty where there is none.
    ``raw`` is all that came, and ``port`` the server's that sent it.
    """

    status: int
    data: Any
    code: str
    headers: dict[str, str]
    raw: bytes
    port: int


class Client:
    """Calls with one connection each, as a program on another host makes them. Where there are
    several servers each call goes to any of them, as a load balancer has it.
    """

    def __init__(self, ports: list[int], api_key: str) -> None:
        self._ports = ports
        self.port = ports[0]
        """The server of the last call."""
        self._headers = {"X-API-Key": api_key, "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> Reply:
        """One call, once. Raises OSError or HTTPException when there is no whole answer, and
        ValueError when it is no JSON object.
        """
        return self._call("POST", path, json.dumps(body))

    def get(self, path: str) -> Reply:
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, body: str | None) -> Reply:
        reply = self.send(method, path, body)
        document = json.loads(reply.raw)
        return reply._replace(data=document.get("data"), code=document.get("code", ""))

    def send(self, method: str, path: str, body: str | None) -> Reply:
        """One call whose answer is not looked into."""
        self.port = random.choice(self._ports)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, "/api" + path, body, self._headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, None, "", headers, raw, self.port)


class Journal:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "at": time.monotonic(), **facts}) + "\n"
        os.write(self._file, line.encode("ascii"))


class Work:
    """What every work has: a client, a journal, its own name, and a wish to stop."""

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

    def post(self, path: str, body: dict[str, Any]) -> Reply:
        """One call, its status noted."""
        reply = self.client.post(path, body)
        self.journal.write("reply", path=path, status=reply.status)
        return reply

    def insist(self, path: str, body: dict[str, Any]) -> Reply:
        """The same call again and again until it is answered by something else than a 503."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                reply = self.client.post(path, body)
                if reply.status != 503:
                    return reply
                trouble, retry_after = reply.code, reply.headers.get("retry-after")
            except (OSError, http.client.HTTPException) as error:
                trouble, retry_after = repr(error), None
            self.journal.write("trouble", path=path, what=trouble, retry_after=retry_after)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} was not answered for {PATIENCE_SECONDS} s: {trouble}")
            time.sleep(0.05)

    def took(self, tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            self.journal.write("claimed", id=task["id"], attempt=task["attempts"], by=self.name)

    def completed(self, task: dict[str, Any], result: Any) -> None:
        self.journal.write("completed", id=task["id"], attempt=task["attempts"], result=result)
