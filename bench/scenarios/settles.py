"""What a worker sends about tasks that it holds: settles and heartbeats, singly and in batches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench import data
from bench.queues import Queue
from bench.report import Table
from bench.run import Run

CALLS = 24
"""Of each kind in a round; tasks are claimed before, outside of what is measured."""

ROUNDS = 5

Tasks = list[dict[str, Any]]
Send = Callable[[Queue, Tasks], None]


def measure(run: Run) -> None:
    table = Table(
        "Settles and heartbeats: median milliseconds a call over HTTP, one client",
        ["call", *run.columns("ms")],
    )
    with run.queues("settles") as queues:
        for queue in queues:
            data.types(queue, 1, 1)
        for name, (size, send) in CASES.items():
            for queue in queues:
                data.pending(queue, size * (CALLS + 1) * ROUNDS)
                data.settle_down(queue)
            cases = {
                queue.version.name: partial(_median_ms, queue, size, send, run.count(CALLS, 2))
                for queue in queues
            }
            values = list(run.interleaved(cases, rounds=run.count(ROUNDS, 1)).values())
            table.add(name, *run.cells(values))
            if len(values) > 1 and name in GOALS:
                speed = values[1] / values[0]
                run.report.goal(f"{name}, x the version before", speed, at_least=GOALS[name])
    run.report.table(table)


def _median_ms(queue: Queue, size: int, send: Send, calls: int) -> float:
    spent = []
    for _ in range(calls):
        body = {"worker_id": "bench", "limit": size, "lease": 3600}
        claimed = queue.client.post("/tasks/claim", body)
        tasks = claimed.get("tasks", [claimed])
        begun = time.perf_counter()
        send(queue, tasks)
        spent.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spent)


def _settle(queue: Queue, tasks: Tasks) -> None:
    _send_outcomes(queue, [{**_of(each), "result": {"n": each["id"]}} for each in tasks])


def _settle_mixed(queue: Queue, tasks: Tasks) -> None:
    """One in four fails, with an error of its own."""
    outcomes = []
    for position, each in enumerate(tasks):
        outcome = {**_of(each), "result": {"n": each["id"]}}
        if position % 4 == 3:
            outcome = {**_of(each), "success": False, "error": f"no {each['id']}", "delay": 3600}
        outcomes.append(outcome)
    _send_outcomes(queue, outcomes)


def _heartbeat(queue: Queue, tasks: Tasks) -> None:
    body = {"worker_id": "bench", "tasks": [_of(each) for each in tasks]}
    queue.client.post("/tasks/heartbeat", body)


def _send_outcomes(queue: Queue, outcomes: list[dict[str, Any]]) -> None:
    queue.client.post("/tasks/settle", {"worker_id": "bench", "outcomes": outcomes})


def _of(task: dict[str, Any]) -> dict[str, Any]:
    return {"id": task["id"], "attempt": task["attempts"]}


CASES: dict[str, tuple[int, Send]] = {
    "settle one task": (1, _settle),
    "settle ten": (10, _settle),
    "settle ten, mixed": (10, _settle_mixed),
    "settle fifty": (50, _settle),
    "settle fifty, mixed": (50, _settle_mixed),
    "fifty heartbeats": (50, _heartbeat),
}
GOALS = {"settle one task": 0.97, "settle ten": 1.2, "settle fifty": 1.6}
