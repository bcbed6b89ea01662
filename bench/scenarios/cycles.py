"""Cycles a second over HTTP: claim a task and complete it, one by one and in batches, by how many
tasks wait and how many clients work.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import data
from bench.clients import Client, rate
from bench.queues import Queue, serving_sqlite
from bench.report import Table
from bench.run import Run
from bench.svg import Points
from bench.ways import WAYS

CLIENTS = (1, 8)
SPARE = 60_000
"""Tasks more than the size, so that the ways do not run out of them in one round after another."""

SQLITE_PENDING = 20_000
BATCH = 1000

Case = Callable[[], float]


def measure(run: Run) -> None:
    columns = ["tasks pending", "clients", *run.columns(*WAYS)]
    table = Table("Cycles: tasks completed a second, MariaDB", columns)
    lines: dict[str, Points] = {}
    with run.queues("cycles") as queues:
        for queue in queues:
            data.types(queue, 1, 1)
        for size in run.sizes(1000, 1_000_000, full=[10_000, 100_000]):
            for clients in CLIENTS:
                for queue in queues:
                    _fill_up(queue, size + run.count(SPARE, 3000))
                found = _measured(run, queues, clients)
                table.add(f"{size:,}", clients, *run.cells(*found.values()))
                for way, values in found.items():
                    lines.setdefault(f"{way}, {clients}", []).append((size, values[0]))
    run.report.table(table)
    run.report.lines("cycles", "Cycles by size", ("tasks pending", "tasks a second"), lines)
    _goals(run, table)
    _on_sqlite(run)


def _fill_up(queue: Queue, pending: int) -> None:
    data.pending(queue, max(1, pending - data.pending_count(queue)))
    data.settle_down(queue)


def _measured(run: Run, queues: list[Queue], clients: int) -> dict[str, list[float]]:
    """Tasks a second by way: a value each version."""
    cases: dict[str, Case] = {
        f"{way} {queue.version.name}": partial(rate, work, queue.url, clients, run.seconds)
        for way, work in WAYS.items()
        for queue in queues
    }
    found = run.interleaved(cases, rounds=2 if not run.is_quick else 1)
    return {way: [found[f"{way} {queue.version.name}"] for queue in queues] for way in WAYS}


def _goals(run: Run, table: Table) -> None:
    if len(run.versions) == 1:
        return
    for way, goal in (("batches of 10", 1.2), ("batches of 50", 1.6), ("claim + complete", 0.97)):
        column = table.columns.index(way) + 2
        for row in table.rows[-len(CLIENTS) :]:
            name = f"{way} against the version before, {row[1]} clients, {row[0]} pending"
            run.report.goal(name, float(str(row[column])), at_least=goal)


def _on_sqlite(run: Run) -> None:
    table = Table("Cycles: tasks completed a second, SQLite", ["tasks pending", "clients", *WAYS])
    pending = run.count(SQLITE_PENDING, 2000)
    folder = tempfile.TemporaryDirectory(prefix="tm-bench-")
    with folder, serving_sqlite(run.versions[0], Path(folder.name)) as url:
        client = Client(url)
        client.post("/task-types/register", {"name": "bench.1", "version": "1", "param_schema": {}})
        for clients in CLIENTS:
            cells = []
            for work in WAYS.values():
                _fill(client, pending)
                cells.append(rate(work, url, clients, run.seconds))
            table.add(f"{pending:,} or more", clients, *cells)
    run.report.table(table)


def _fill(client: Client, count: int) -> None:
    tasks = [{"type": "bench.1", "params": {"n": each}, "dedupe": False} for each in range(BATCH)]
    for _ in range(0, count, BATCH):
        client.post("/tasks", {"tasks": tasks})
