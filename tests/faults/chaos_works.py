"""What the clients of a chaos run do: they create tasks and work them off, insist where a call may
be repeated, and note in their journals what was acknowledged to them.

A call without a response, or with a 503, is sent again to any server with the same `dedupe_key`,
`claim_key` or attempt, so that the server can know it for a repeat.
"""

from __future__ import annotations

import http.client
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.faults.client import Work
from tests.faults.contract import complaint
from tests.support.http_client import Response

TYPE = "chaos"
LIMITS: dict[str, dict[str, Any]] = {
    "running": {"max_running": 2},
    "keyed": {"max_per_key": 1},
    "rated": {"rate": {"tasks": 15, "seconds": 1.0}},
    "limited": {"max_running": 3, "max_per_key": 2, "rate": {"tasks": 20, "seconds": 2.0}},
}
"""Types with limits, beside the one that has none."""
LIMITED_SHARE = 0.35
KEYS = ("a", "b", "c", None)
INSIST_SECONDS = 120
PAUSE_SECONDS = 0.05
TOGETHER_SECONDS = 0.2
RESPONSE_SECONDS = 30
"""Every call ends within the site's deadline, 20 s; the rest is for a machine that is busy."""

Task = dict[str, Any]


class FinalResponse(NamedTuple):
    """The response that counts, and how often the call was sent before it came."""

    response: Response
    tries: int

    @property
    def data(self) -> Any:
        return self.response.data


def try_once(
    work: Work, kind: str, path: str, body: dict[str, Any], key: str | None = None
) -> Response | None:
    """One call, noted with its response; None when no response came that could be used. ``key`` is
    its Idempotency-Key.
    """
    began = time.monotonic()
    try:
        response = work.client.post(path, body, key)
    except (OSError, http.client.HTTPException) as error:
        work.journal.write("silence", port=work.client.port, what=repr(error))
        _check_seconds(work, kind, time.monotonic() - began)
        return None
    seconds = time.monotonic() - began
    work.journal.write(
        "response", port=work.client.port, kind=kind, status=response.status, seconds=seconds
    )
    _check_seconds(work, kind, seconds)
    found = complaint(kind, response.status, response.headers, response.raw)
    if found:
        work.journal.write("outside", kind=kind, what=found)
        return None
    return response


def _check_seconds(work: Work, kind: str, seconds: float) -> None:
    if seconds > RESPONSE_SECONDS:
        work.journal.write("outside", kind=kind, what=f"no response within {seconds:.0f} s")


def insist(
    work: Work,
    kind: str,
    path: str,
    body: dict[str, Any],
    repeat: dict[str, Any] | None = None,
    key: str | None = None,
) -> FinalResponse:
    """The same call until its response is something else than a 503; ``repeat`` is what a repeat
    says beside it, ``key`` its Idempotency-Key. Raises TimeoutError when that takes longer than any
    fault.
    """
    deadline = time.monotonic() + INSIST_SECONDS
    for tries in itertools.count(1):
        response = try_once(work, kind, path, body, key)
        if response is not None and response.status != 503:
            return FinalResponse(response, tries)
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{path} had no response for {INSIST_SECONDS} s, {tries} times; last: {response}"
            )
        time.sleep(PAUSE_SECONDS)
        body = {**body, **(repeat or {})}
    raise AssertionError


# Creating


def produce(work: Work) -> None:
    """Create tasks in every way until it is time to calm down."""
    numbers = itertools.count()
    chance = random.Random(f"{work.options['seed']} {work.name}")
    ways = {
        create_by_key: 4,
        create_by_params: 2,
        create_many: 2,
        create_undeduplicated: 1,
        create_idempotently: 3,
        create_together: 4,
    }
    while not work.is_calm():
        (way,) = chance.choices(list(ways), list(ways.values()))
        way(work, chance, numbers)
        time.sleep(chance.uniform(0, 2 * work.options["pause"]))
    while not work.is_to_stop():
        time.sleep(PAUSE_SECONDS)


def new_task(work: Work, chance: random.Random, numbers: Iterator[int]) -> Task:
    """A task that nobody made before. Some may be tried a few times only."""
    params = {"from": work.name, "number": next(numbers)}
    task: Task = {"type": TYPE, "params": params}
    if chance.random() < LIMITED_SHARE:
        task["type"], task["concurrency_key"] = chance.choice(list(LIMITS)), chance.choice(KEYS)
        task = {name: value for name, value in task.items() if value is not None}
    if chance.random() < 0.2:
        task["max_attempts"] = work.options["few"]
    return task


def own_key(task: Task) -> str:
    return f"{task['params']['from']}:{task['params']['number']}"


def create_by_key(work: Work, chance: random.Random, numbers: Iterator[int]) -> None:
    task = new_task(work, chance, numbers)
    final = insist(work, "create", "/tasks", {**task, "dedupe_key": own_key(task)})
    created(work, task, final.data)


def create_by_params(work: Work, chance: random.Random, numbers: Iterator[int]) -> None:
    task = new_task(work, chance, numbers)
    created(work, task, insist(work, "create", "/tasks", task).data)


def create_many(work: Work, chance: random.Random, numbers: Iterator[int]) -> None:
    tasks = [new_task(work, chance, numbers) for _ in range(chance.randint(2, 8))]
    keyed = [{**task, "dedupe_key": own_key(task)} for task in tasks]
    final = insist(work, "create", "/tasks", {"tasks": keyed})
    for task, shown in zip(tasks, final.data["tasks"]):
        created(work, task, shown)


def create_undeduplicated(work: Work, chance: random.Random, numbers: Iterator[int]) -> None:
    """Once: whether a call without a response made its task cannot be known."""
    task = new_task(work, chance, numbers)
    response = try_once(work, "create", "/tasks", {**task, "dedupe": False})
    if response is not None and response.status == 201:
        created(work, task, response.data)


def create_idempotently(work: Work, chance: random.Random, numbers: Iterator[int]) -> None:
    """Nothing but the key tells that a call is a repeat."""
    tasks = [new_task(work, chance, numbers) for _ in range(chance.choice((1, 1, 5)))]
    made = [{**task, "dedupe": False} for task in tasks]
    key = own_key(tasks[0])
    final = insist(work, "create", "/tasks", {"tasks": made}, key=key)
    for task, shown in zip(tasks, final.data["tasks"]):
        created(work, task, shown)


def create_together(work: Work, chance: random.Random, numbers: Iterator[int]) -> None:
    """The same task as others at the same moment, maybe at another server: rivals for its key."""
    time.sleep(TOGETHER_SECONDS - time.time() % TOGETHER_SECONDS)
    params = {"from": "everybody", "number": int(time.time() / TOGETHER_SECONDS)}
    task: Task = {"type": TYPE, "params": params}
    final = insist(work, "create", "/tasks", {**task, "dedupe_key": own_key(task)})
    created(work, task, final.data)


def created(work: Work, task: Task, shown: dict[str, Any]) -> None:
    most = task.get("max_attempts")
    work.journal.write("created", id=shown["id"], params=task["params"], max_attempts=most)


# Working


def consume(work: Work) -> None:
    """Claim tasks, end each in one of many ways, until it is time to stop."""
    consumer = Consumer(work)
    tasks: list[Task] = []
    while not work.is_to_stop():
        tasks = tasks or consumer.claim()
        if tasks:
            tasks = consumer.work_off(tasks)
        else:
            time.sleep(PAUSE_SECONDS)
    consumer.give_up(tasks)


class Consumer:
    """A worker. Every second one goes by the same name, as copies of one program do: then the
    attempt alone tells a late outcome from a right one.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.worker_id = "copy" if work.number % 2 else work.name
        self.lease: float = work.options["lease"]
        self.chance = random.Random(f"{work.options['seed']} {work.name}")
        self._keys = itertools.count()

    def claim(self) -> list[Task]:
        options = {"worker_id": self.worker_id, **self._claim_options()}
        final = insist(self.work, "claim", "/tasks/claim", options, {"again": True})
        return self._took(final.data["tasks"])

    def work_off(self, tasks: list[Task]) -> list[Task]:
        """Work on these; the tasks that came with the last response."""
        if len(tasks) > 1 and self.chance.random() < 0.5:
            time.sleep(self.chance.uniform(0, 0.02))
            return self._settle_together(tasks)
        more: list[Task] = []
        for task in tasks:
            more += self._settle_alone(task, may_claim=task is tasks[-1])
        return more

    def give_up(self, tasks: list[Task]) -> None:
        for task in tasks:
            self._send(task, "release", {})

    def _claim_options(self) -> dict[str, Any]:
        key = f"{self.work.name}:{next(self._keys)}"
        options = {"limit": self.chance.choice((1, 1, 4)), "lease": self.lease, "claim_key": key}
        return {**options, "sort_by": "fair"} if self.chance.random() < 0.3 else options

    def _took(self, tasks: list[Task]) -> list[Task]:
        for task in tasks:
            self.work.journal.write(
                "claimed",
                id=task["id"],
                attempt=task["attempts"],
                by=self.work.name,
                worker_id=self.worker_id,
                until=task["lease_expires_at"],
            )
        return tasks

    def _settle_alone(self, task: Task, may_claim: bool) -> list[Task]:
        dice = 1.0 if self.work.is_calm() else self.chance.random()
        if dice < 0.02:
            time.sleep(self.lease * 1.3)  # too late, unless nobody has noticed
        elif dice < 0.04:
            self._keep(task)
        elif dice < 0.06:
            return []  # forgotten: it comes back when its lease ends
        else:
            time.sleep(self.chance.uniform(0, 0.02))
        kind, fields = self._outcome(task)
        wants_more = may_claim and kind == "complete" and self.chance.random() < 0.5
        return self._send(task, kind, fields, self._claim_options() if wants_more else None)

    def _keep(self, task: Task) -> None:
        """Work for longer than the lease, with heartbeats."""
        body = {"worker_id": self.worker_id, "attempt": task["attempts"], "lease": self.lease}
        for _ in range(4):
            time.sleep(self.lease / 3)
            final = insist(self.work, "heartbeat", f"/tasks/{task['id']}/heartbeat", body)
            self._heard(task, "heartbeat", final.response.status, final.response.code or "", final)
            if final.response.status == 200:
                task["lease_expires_at"] = final.data["lease_expires_at"]

    def _outcome(self, task: Task) -> tuple[str, dict[str, Any]]:
        """How the attempt ends: the call's name and what it says."""
        dice = 1.0 if self.work.is_calm() else self.chance.random()
        mark = f"{self.work.name}:{task['id']}:{task['attempts']}"
        if dice < 0.06:
            return "release", {"delay": self.chance.choice((0, 0.1))}
        if dice < 0.10:
            return "fail", {"error": mark, "delay": 0.1}
        return "complete", {"result": mark}

    def _send(
        self, task: Task, kind: str, fields: dict[str, Any], claim: dict[str, Any] | None = None
    ) -> list[Task]:
        """Settle one; the tasks that were claimed with the same call."""
        body = {"worker_id": self.worker_id, "attempt": task["attempts"], **fields}
        repeat = None
        if claim:
            body["claim"] = claim
            repeat = {"claim": {**claim, "again": True}}
        final = insist(self.work, "settle", f"/tasks/{task['id']}/{kind}", body, repeat)
        self._heard(task, kind, final.response.status, final.response.code or "", final, fields)
        if claim and final.response.status == 200:
            return self._took(final.data["tasks"])
        return []

    def _settle_together(self, tasks: list[Task]) -> list[Task]:
        ends = [self._outcome(task) for task in tasks]
        outcomes = [_in_batch(task, kind, fields) for task, (kind, fields) in zip(tasks, ends)]
        claim = self._claim_options()
        body = {"worker_id": self.worker_id, "outcomes": outcomes, "claim": claim}
        repeat = {"claim": {**claim, "again": True}}
        final = insist(self.work, "settle many", "/tasks/settle", body, repeat)
        for task, (kind, fields), settled in zip(tasks, ends, final.data["settled"]):
            code = settled.get("code", "")
            self._heard(task, kind, 409 if code else 200, code, final, fields)
        return self._took(final.data["tasks"])

    def _heard(
        self,
        task: Task,
        kind: str,
        status: int,
        code: str,
        final: FinalResponse,
        fields: dict[str, Any] | None = None,
    ) -> None:
        """Note what became of an outcome, and until when the task was known to be held."""
        until = task["lease_expires_at"]
        if kind == "heartbeat" and status == 200:
            until = final.data["lease_expires_at"]
        self.work.journal.write(
            "outcome",
            kind=kind,
            id=task["id"],
            attempt=task["attempts"],
            by=self.work.name,
            accepted=status == 200,
            code=code,
            said=fields or {},
            tries=final.tries,
            until=until,
            wall=time.time(),
        )


def _in_batch(task: Task, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    outcome = {"id": task["id"], "attempt": task["attempts"], **fields}
    if kind == "release":
        return {**outcome, "release": True}
    return {**outcome, "success": kind == "complete"}
