"""Claims in the order fair beside the strict order, in turns on the same queues: how soon a small
type is done beside a large one, what a claim takes, and how many a second several clients make.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench import data
from bench.clients import Client, rate
from bench.queues import NOW, Queue, serving
from bench.report import Table
from bench.run import Run

LARGE = {"usual": 200_000, "quick": 2000, "full": 1_000_000}
SMALL = 10
CLIENTS = (1, 4, 8)
ORDERS = ("priority", "fair")
CALLS = {"usual": 80, "quick": 10, "full": 150}
"""How many claims of each order are measured in a queue."""

SHAPES = {
    "two types, one with ten tasks": (2, 2),
    "300 types, two with tasks": (300, 2),
    "300 types, all with tasks": (300, 300),
    "10,000 types, two with tasks": (10_000, 2),
    "10,000 types, all with tasks": (10_000, 10_000),
}
"""How many types there are, and how many have tasks: the first type has very many."""


def measure(run: Run) -> None:
    promise = Table(
        "Fair: claims until the ten tasks of a type are taken",
        ["queue", *(f"{order}, {limit} at a time" for order in ORDERS for limit in (1, 5))],
    )
    cost = Table(
        "Fair: a claim's milliseconds",
        ["queue", "tasks a claim", "strict", "fair", "x strict", "fair, 99 of 100"],
    )
    for shape, (types, full) in SHAPES.items():
        with _queue(run, types, full) as queue:
            if full == 2:
                promise.add(shape, *_claims_until_done(run, queue))
            for limit in (1, 50):
                found = _in_turns(run, queue, limit)
                strict, fair = (statistics.median(found[order]) for order in ORDERS)
                slowest = statistics.quantiles(found["fair"], n=100)[-1]
                cost.add(shape, limit, strict, fair, fair / strict, slowest)
            if types == 2:
                _rates(run, queue)
    run.report.table(promise)
    run.report.table(cost)
    run.report.goal(
        "the ten tasks are taken within so many claims", float(str(promise.rows[0][3])), at_most=20
    )


@contextmanager
def _queue(run: Run, types: int, full: int) -> Iterator[Queue]:
    with serving(NOW, run.mariadb, "fair") as queue:
        types = run.count(types, min(types, 40))
        data.types(queue, 1, types)
        data.pending(queue, run.count(**LARGE), kinds=1)
        if full == 2:
            _add(queue, types, SMALL)
        else:
            data.pending(queue, 12 * types, kinds=types)
        data.settle_down(queue)
        yield queue


def _add(queue: Queue, type_number: int, count: int) -> None:
    """Tasks of the type of this number."""
    if count < 1:
        return
    queue.sql(
        f"INSERT INTO tasks ({data.TASK}) SELECT id, 'pending', 0, 0, 3, 0, UTC_TIMESTAMP(3), "
        f"'{{}}' FROM task_types, seq_1_to_{count} WHERE name = 'bench.{type_number}'"
    )


def _claims_until_done(run: Run, queue: Queue) -> list[object]:
    """In each order, one by one and five at a time; more than a hundred are not waited for."""
    found: list[object] = []
    last = int(queue.sql("SELECT MAX(type_id) FROM tasks"))
    name = queue.sql(f"SELECT name FROM task_types WHERE id = {last}").strip()
    for order in ORDERS:
        for limit in (1, 5):
            left = int(
                queue.sql(
                    f"SELECT COUNT(*) FROM tasks WHERE status = 'pending' AND type_id = {last}"
                )
            )
            _add(queue, int(name.partition(".")[2]), SMALL - left)
            found.append(_claims(queue.client, order, limit, name))
    return found


def _claims(client: Client, order: str, limit: int, name: str) -> object:
    taken = 0
    for number in range(1, 101):
        tasks = client.post("/tasks/claim", _body("w", order, limit))["tasks"]
        taken += sum(1 for task in tasks if task["type"] == name)
        if taken == SMALL:
            return number
    return "more than 100"


def _in_turns(run: Run, queue: Queue, limit: int) -> dict[str, list[float]]:
    """Milliseconds of each claim: one of this order, one of that."""
    spent: dict[str, list[float]] = {order: [] for order in ORDERS}
    for number in range(run.count(**CALLS) + 3):
        for order in ORDERS if number % 2 else reversed(ORDERS):
            begun = time.perf_counter()
            queue.client.post("/tasks/claim", _body("bench", order, limit))
            if number >= 3:  # the first ones warm up
                spent[order].append((time.perf_counter() - begun) * 1000)
    return spent


def _rates(run: Run, queue: Queue) -> None:
    table = Table("Fair: claims a second with two types", ["clients", "strict", "fair", "x strict"])
    _add(queue, 2, run.count(200_000, 500))
    for clients in CLIENTS:
        cases = {
            order: partial(rate, partial(_claim_all_day, order), queue.url, clients, run.seconds)
            for order in ORDERS
        }
        found = run.interleaved(cases)
        table.add(clients, *found.values(), found["fair"] / found["priority"])
    run.report.table(table)


def _claim_all_day(order: str, url: str, name: str, seconds: float) -> float:
    client, count, begun = Client(url), 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        client.post("/tasks/claim", _body(name, order, 1))
        count += 1
    return count / (time.monotonic() - begun)


def _body(worker: str, order: str, limit: int) -> dict[str, object]:
    return {"worker_id": worker, "sort_by": order, "limit": limit, "lease": 86_400}
