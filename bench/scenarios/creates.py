"""Creating tasks: one by one and a thousand in a call, with a schema to check and without."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.clients import Client, median_ms
from bench.report import Table
from bench.run import Run

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "name": {"type": "string", "minLength": 1}},
    "required": ["n"],
}
BULK = 1000

numbers = itertools.count()


def measure(run: Run) -> None:
    table = Table(
        "Creates: median milliseconds a call over HTTP, one client", ["call", *run.columns("ms")]
    )
    bulk = run.count(BULK, 50)
    cases: dict[str, Callable[[Client], Any]] = {
        "one task": partial(_one, "bench.plain", True),
        "one task, not deduplicated": partial(_one, "bench.plain", False),
        "one task with a schema": partial(_one, "bench.schema", True),
        f"{bulk} tasks": partial(_many, "bench.plain", bulk),
        f"{bulk} tasks with a schema": partial(_many, "bench.schema", bulk),
    }
    with run.queues("creates") as queues:
        for queue in queues:
            queue.register("bench.plain")
            queue.register("bench.schema", SCHEMA)
        for name, create in cases.items():
            found = run.interleaved(
                {
                    queue.version.name: partial(
                        median_ms, partial(create, queue.client), run.lasting(run.seconds / 2)
                    )
                    for queue in queues
                }
            )
            values = list(found.values())
            table.add(name, *run.cells(values))
            if len(values) > 1 and name == f"{BULK} tasks":
                speed = values[1] / values[0]
                run.report.goal("bulk creates, x the version before", speed, at_least=4)
    run.report.table(table)


def _task(kind: str) -> dict[str, Any]:
    return {"type": kind, "params": {"n": next(numbers), "name": "x"}}


def _one(kind: str, dedupe: bool, client: Client) -> None:
    client.post("/tasks", {**_task(kind), **({} if dedupe else {"dedupe": False})})


def _many(kind: str, count: int, client: Client) -> None:
    client.post("/tasks", {"tasks": [_task(kind) for _ in range(count)]})
