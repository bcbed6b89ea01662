"""The dashboard's pages with few tasks and with many: what a visit costs, and what an
open page costs that asks whether something has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from bench import data
from bench.clients import median_ms
from bench.queues import Queue
from bench.report import Table
from bench.run import Run
from bench.visitor import Visitor

FEW = 1_000
MANY = 200_000
FULL = 1_000_000
MOST_GROWTH = 3.0
ADDRESSES = {
    "overview": "",
    "tasks": "/tasks",
    "tasks, failed": "/tasks?status=failed",
    "tasks of a customer": "/tasks?tag=bench-30",
    "tasks of a type": "/tasks?type=bench.7",
    "a task": "/tasks/{id}",
    "failures": "/failures",
    "types": "/types",
    "a type": "/types/bench.7",
    "workers": "/workers",
    "a worker": "/workers/seen-7",
    "schedules": "/schedules",
    "new task": "/tasks/new?type=bench.7",
    "audit": "/audit",
}


def measure(run: Run) -> None:
    few, many = FEW, run.count(MANY, 2 * FEW, FULL)
    with run.queues("pages") as queues:
        queue = queues[0]
        data.types(queue, 1, data.KINDS)
        data.workers(queue, 1, data.WORKERS)
        _fill(queue, few)
        data.statistics(queue, run.count(data.ALL_STEPS, 5))
        before = _measured(run, queue)
        _fill(queue, many - few)
        after = _measured(run, queue)
    table = Table(
        "Pages: median milliseconds of a visit, and of an open page that asks for changes",
        ["page", f"visit, {few:,}", f"{many:,}", "x", f"asks, {few:,}", f"{many:,}", "x"],
    )
    growth = {name: after[name] / before[name] for name in before}
    for name in ADDRESSES:
        asks = f"{name}, asks"
        table.add(
            name,
            *(before[name], after[name], growth[name]),
            *(before[asks], after[asks], growth[asks]),
        )
    run.report.table(table)
    most = max(growth.values())
    run.report.goal(f"pages at {many:,} tasks / at {few:,}", most, at_most=MOST_GROWTH)


def _fill(queue: Queue, count: int) -> None:
    """Nine in ten are finished."""
    data.finished(queue, count * 9 // 10)
    data.pending(queue, count // 10, data.KINDS)
    data.settle_down(queue)
    data.take_for_rolled_up(queue)
    queue.client.get("/stats")


def _measured(run: Run, queue: Queue) -> dict[str, float]:
    visitor = Visitor(urlsplit(queue.url).netloc)
    newest = queue.sql("SELECT MAX(id) FROM tasks").strip()
    cases: dict[str, Callable[[], float]] = {}
    for name, address in ADDRESSES.items():
        path = "/dashboard" + address.replace("{id}", newest)
        cases[name] = _timed(run, partial(visitor.get, path))
        cases[f"{name}, asks"] = _timed(run, partial(visitor.get, path, live=True))
    return run.interleaved(cases)


def _timed(run: Run, call: Callable[[], object]) -> Callable[[], float]:
    return partial(median_ms, call, run.lasting(run.seconds / 12), at_least=run.count(3, 1))
