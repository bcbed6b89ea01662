"""What a claim costs while one thing grows and all else stays small: median milliseconds over HTTP
at one client, and ratios to the smallest size.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench import data
from bench.clients import Client, median_ms
from bench.queues import Queue
from bench.report import Table, number
from bench.run import Run
from bench.svg import Points

PENDING = 20_000
WAKING = 12
"""How many measurements long claims are watched while tasks wake."""
Grow = Callable[[Queue, int, int], None]
Body = dict[str, Any]

PLAIN: Body = {}
KINDS_OF_CLAIM: dict[str, Body] = {
    "no filter": PLAIN,
    "type_pattern %": {"type_pattern": "bench.%"},
    "ten task_types": {"task_types": [f"bench.{each}" for each in range(1, 11)]},
    "by created_at": {"sort_by": "created_at"},
    "by attempts": {"sort_by": "attempts"},
}
GOALS = {
    "no filter": 1.3,
    "type_pattern %": 2.0,
    "by created_at": 1.3,
    "ten task_types": 1.5,
    "by attempts": 3.0,
}


def measure(run: Run) -> None:
    columns = ["what grows", "size", "claim", *run.columns("ms"), "x the smallest"]
    table = Table("Growth: a claim's median milliseconds", columns)
    lines: dict[str, Points] = {}
    _types(run, table, lines)
    _dimension(run, table, lines, "workers", _add_workers, 1, 1000, 10_000)
    _dimension(run, table, lines, "finished tasks", _add_finished, 1, 100_000, 1_000_000)
    _dimension(run, table, lines, "scheduled tasks", _add_scheduled, 1, 100_000, 1_000_000)
    run.report.table(table)
    run.report.lines("growth", "A claim while one thing grows", ("rows", "ms"), lines)
    _waking(run)


def _types(run: Run, table: Table, lines: dict[str, Points]) -> None:
    with run.queues("types") as queues:
        smallest: dict[str, float] = {}
        before = 0
        for size in run.sizes(1, 10_000, full=[100, 1000]):
            for queue in queues:
                data.types(queue, before + 1, size)
                data.pending(queue, run.count(PENDING, 500), kinds=size)
                data.settle_down(queue)
            before = size
            for claim, body in KINDS_OF_CLAIM.items():
                found = _claims(run, queues, body)
                ratio = found[0] / smallest.setdefault(claim, found[0])
                _add(run, table, lines, "task types", size, claim, found, ratio)
        for claim, goal in GOALS.items():
            ratio = float(str(table.rows[-len(GOALS) + list(KINDS_OF_CLAIM).index(claim)][-1]))
            run.report.goal(f"{before:,} types, claim {claim}: x one type", ratio, at_most=goal)


def _dimension(
    run: Run, table: Table, lines: dict[str, Points], what: str, grow: Grow, *sizes: int
) -> None:
    with run.queues("growth") as queues:
        for queue in queues:
            data.types(queue, 1, data.KINDS)
            data.pending(queue, run.count(PENDING, 500), kinds=data.KINDS)
        smallest = 0.0
        before = 0
        for size in run.sizes(sizes[0], sizes[-1], full=sizes[1:-1]):
            for queue in queues:
                grow(queue, before, size)
                data.settle_down(queue)
            before = size
            found = _claims(run, queues, PLAIN)
            smallest = smallest or found[0]
            _add(run, table, lines, what, size, "no filter", found, found[0] / smallest)


def _add(
    run: Run,
    table: Table,
    lines: dict[str, Points],
    what: str,
    size: int,
    claim: str,
    found: list[float],
    ratio: float,
) -> None:
    table.add(what, f"{size:,}", claim, *run.cells(found), ratio)
    name = what if claim == "no filter" else f"{what}, {claim}"
    lines.setdefault(name, []).append((size, found[0]))


def _claims(run: Run, queues: list[Queue], body: Body) -> list[float]:
    cases = {
        queue.version.name: partial(
            median_ms, partial(_claim, queue.client, body), run.lasting(run.seconds / 2), at_least=3
        )
        for queue in queues
    }
    return list(run.interleaved(cases).values())


def _claim(client: Client, body: Body) -> None:
    if client.post("/tasks/claim", {"worker_id": "growth", **body}) is None:
        raise RuntimeError(f"there was nothing left to claim for {body}")


def _add_workers(queue: Queue, before: int, size: int) -> None:
    data.workers(queue, before + 1, size)


def _add_finished(queue: Queue, before: int, size: int) -> None:
    data.finished(queue, size - before)


def _add_scheduled(queue: Queue, before: int, size: int) -> None:
    data.scheduled(queue, size - before, seconds=86_400)


def _waking(run: Run) -> None:
    """Claims while very many tasks become due in one instant."""
    count = run.count(100_000, 500)
    table = Table(
        f"Waking: a claim's milliseconds while {count:,} scheduled tasks become due at once",
        ["version", "median before", "median while they wake", "ratio", "slowest", "awake after s"],
    )
    with run.queues("waking") as queues:
        for queue in queues:
            data.types(queue, 1, 1)
            data.pending(queue, run.count(PENDING, 500))
            data.scheduled(queue, count, seconds=86_400)
            data.settle_down(queue)
            table.add(queue.version.name, *_woken(queue, run.seconds))
    run.report.table(table)


def _woken(queue: Queue, seconds: float) -> list[object]:
    call = partial(_claim, queue.client, PLAIN)
    before = median_ms(call, seconds)
    queue.sql("UPDATE tasks SET due_at = UTC_TIMESTAMP(3) WHERE status = 'scheduled'")
    spent: list[float] = []
    begun = time.monotonic()
    while time.monotonic() - begun < WAKING * seconds or len(spent) < 5:
        at = time.perf_counter()
        call()
        spent.append((time.perf_counter() - at) * 1000)
        if len(spent) % 50 == 0 and _asleep(queue) == 0:
            break
    took = number(time.monotonic() - begun)
    awake = took if _asleep(queue) == 0 else f"more than {took}"
    middle = statistics.median(spent)
    return [before, middle, middle / before, max(spent), awake]


def _asleep(queue: Queue) -> int:
    """Whether any is left to wake: one is enough to know."""
    return len(queue.sql("SELECT 1 FROM tasks WHERE status = 'scheduled' LIMIT 1").split())
