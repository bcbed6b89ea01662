"""Clients of a server under test: programs of their own, with the standard library alone.

`python -m tests.faults.client '{"work": …, "port": …, "api_key": …, "journal": …, …}'` does one of
the works below and writes what it saw to its journal, a line of JSON an event. A line is written
in one call, so that what was written before a SIGKILL counts.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import time
from typing import Any, NamedTuple

ANSWER_SECONDS = 60
PATIENCE_SECONDS = 90
"""How long a client insists before it gives up: longer than any fault lasts."""


class Reply(NamedTuple):
    """``data`` is the answer's ``data``; ``code`` its error code, empty where there is none."""

    status: int
    data: Any
    code: str
    headers: dict[str, str]


class Client:
    """Calls with one connection each, as a program on another host makes them."""

    def __init__(self, port: int, api_key: str) -> None:
        self._port = port
        self._headers = {"X-API-Key": api_key, "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> Reply:
        """One call, once. Raises OSError or HTTPException when there is no whole answer."""
        return self._call("POST", path, json.dumps(body))

    def get(self, path: str) -> Reply:
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, body: str | None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, "/api" + path, body, self._headers)
            answer = connection.getresponse()
            document = json.loads(answer.read())
            headers = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        return Reply(answer.status, document.get("data"), document.get("code", ""), headers)


class Journal:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, "at": time.monotonic(), **facts}) + "\n"
        os.write(self._file, line.encode("ascii"))


class Work:
    """What every work has: a client, a journal, its own name, and a wish to stop."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.client = Client(arguments["port"], arguments["api_key"])
        self.journal = Journal(arguments["journal"])
        self.name: str = arguments["name"]
        self.number: int = arguments["number"]
        self.options: dict[str, Any] = arguments["options"]
        self._stop: str = arguments["stop"]

    def is_to_stop(self) -> bool:
        return os.path.exists(self._stop)

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


def claim_singly(work: Work) -> None:
    """Claim one, complete it, until the queue is empty."""
    while True:
        reply = work.post("/tasks/claim", {"worker_id": work.name})
        if reply.status != 200:
            return
        work.took([reply.data])
        complete(work, reply.data, {})


def claim_in_batches(work: Work) -> None:
    """Claim up to seven, complete each by itself."""
    while True:
        tasks = work.post("/tasks/claim", {"worker_id": work.name, "limit": 7}).data["tasks"]
        work.took(tasks)
        for task in tasks:
            complete(work, task, {})
        if not tasks:
            return


def claim_while_completing(work: Work) -> None:
    """Complete with the next claim folded in."""
    tasks = work.post("/tasks/claim", {"worker_id": work.name, "limit": 1}).data["tasks"]
    while tasks:
        work.took(tasks)
        tasks = complete(work, tasks[0], {"claim": {}}).data["tasks"]


def claim_while_settling(work: Work) -> None:
    """Settle a batch with the next claim folded in."""
    wishes = {"limit": 9}
    tasks = work.post("/tasks/claim", {"worker_id": work.name, **wishes}).data["tasks"]
    while tasks:
        work.took(tasks)
        outcomes = [
            {"id": task["id"], "attempt": task["attempts"], "result": work.name} for task in tasks
        ]
        body = {"worker_id": work.name, "outcomes": outcomes, "claim": wishes}
        data = work.post("/tasks/settle", body).data
        for task, settled in zip(tasks, data["settled"]):
            if settled.get("status") == "completed":
                work.completed(task, work.name)
        tasks = data["tasks"]


def complete(work: Work, task: dict[str, Any], more: dict[str, Any]) -> Reply:
    body = {"worker_id": work.name, "attempt": task["attempts"], "result": work.name, **more}
    reply = work.post(f"/tasks/{task['id']}/complete", body)
    if reply.status == 200:
        work.completed(task, work.name)
    return reply


SHARED_ID = "fleet"
"""All that work under fire call themselves the same, as copies of one program do: then the
attempt alone tells a late result from a right one.
"""


def work_under_fire(work: Work) -> None:
    """Claim, work for a moment, complete; whatever breaks, begin again. Some tasks take longer
    than their lease, so that another gets them and the late result must be refused.
    """
    lease = work.options["lease"]
    shortest, longest = work.options["seconds"]
    while not work.is_to_stop():
        limit = random.choice((1, 3))
        wishes = {"worker_id": SHARED_ID, "limit": limit, "lease": lease}
        reply = work.insist("/tasks/claim", wishes)
        work.took(reply.data["tasks"])
        late = random.random() < work.options["late"]
        time.sleep(lease * 1.2 if late else random.uniform(shortest, longest))
        for task in reply.data["tasks"]:
            _finish(work, task)
        if not reply.data["tasks"]:
            time.sleep(0.05)


def _finish(work: Work, task: dict[str, Any]) -> None:
    result = f"{work.name}:{task['attempts']}"
    body = {"worker_id": SHARED_ID, "attempt": task["attempts"], "result": result}
    reply = work.insist(f"/tasks/{task['id']}/complete", body)
    work.journal.write("settled", id=task["id"], status=reply.status, code=reply.code)
    if reply.status == 200:
        work.completed(task, result)


def produce_under_fire(work: Work) -> None:
    """Create tasks, insisting; note those that were acknowledged."""
    for number in range(work.options["count"]):
        params = {"from": work.name, "number": number}
        reply = work.insist("/tasks", {"type": "plain", "params": params})
        work.journal.write("created", status=reply.status, id=reply.data["id"], params=params)


def create_identical(work: Work) -> None:
    for number in range(work.options["count"]):
        body = {"type": "plain", "params": {"same": number, "for": ["everybody", None]}}
        for _ in range(work.options["times"]):
            reply = work.post("/tasks", body)
            work.journal.write("created", status=reply.status, id=reply.data["id"], number=number)


def create_overlapping(work: Work) -> None:
    """Batches of the same tasks, a different part in a different order each time."""
    shuffled = random.Random(work.name)
    for _ in range(work.options["times"]):
        numbers = shuffled.sample(range(work.options["range"]), work.options["size"])
        batch = [{"type": "plain", "params": {"number": each}} for each in numbers]
        reply = work.post("/tasks", {"tasks": batch})
        for number, task in zip(numbers, reply.data["tasks"]):
            fresh = not task["deduplicated"]
            work.journal.write("created", id=task["id"], number=number, fresh=fresh)


def claim_limited(work: Work) -> None:
    """Claim, hold for a moment, complete; note when the claim surely was on."""
    while not work.is_to_stop():
        wishes = {"worker_id": work.name, "limit": 1 + work.number % 4}
        tasks = work.post("/tasks/claim", wishes).data["tasks"]
        work.took(tasks)
        time.sleep(0.01)
        for task in tasks:
            work.journal.write("settling", id=task["id"])
            complete(work, task, {})


WORKS = {
    work.__name__: work
    for work in (
        claim_singly,
        claim_in_batches,
        claim_while_completing,
        claim_while_settling,
        work_under_fire,
        produce_under_fire,
        create_identical,
        create_overlapping,
        claim_limited,
    )
}


def main() -> None:
    """Begin when the standard input ends, so that many clients begin at the same time."""
    arguments = json.loads(sys.argv[1])
    work = Work(arguments)
    work.journal.write("ready")
    sys.stdin.read()
    WORKS[arguments["work"]](work)


if __name__ == "__main__":
    main()
