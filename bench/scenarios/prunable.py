"""Claims while very many tasks can be pruned, and while they are; the bytes that a task takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench import data
from bench.clients import Client
from bench.queues import NOW, Queue, serving
from bench.report import Table, number
from bench.run import Run
from tests.support.server import PROJECT

AT_ONCE = {"RETAIN_COMPLETED_DAYS": 0, "RETAIN_FAILED_DAYS": 0}
PENDING = 60_000
PRUNABLE = {"usual": 200_000, "quick": 500, "full": 1_000_000}

TURNS_SECONDS = {"usual": 20, "quick": 0, "full": 130}
"""One turn of pruning falls into these; two or three into those of a full run."""

FEWEST = 20
"""Cycles of each, however long they take."""

PRUNE_SECONDS = {"usual": 15, "quick": 2, "full": 60}
"""How long claims are watched while everything is pruned."""

TABLES = ("tasks", "task_history", "task_tags", "used_dedupe_keys")


def measure(run: Run) -> None:
    count = run.count(**PRUNABLE)
    full_queue = serving(NOW, run.mariadb, "prunable", AT_ONCE)
    with full_queue as full, serving(NOW, run.mariadb, "plain", AT_ONCE) as plain:
        for queue in (full, plain):
            data.types(queue, 1, 1)
        data.finished(full, count, kinds=1)
        full.sql("UPDATE tasks SET dedupe_key = SHA2(id, 256)")
        for queue in (full, plain):
            data.pending(queue, run.count(PENDING, 3000))
            data.settle_down(queue)
        _in_turns(run, count, full, plain)
        _while_pruned(run, count, full)


def _in_turns(run: Run, count: int, full: Queue, plain: Queue) -> None:
    """A cycle of the one, then a cycle of the other: what else the machine does slows both down."""
    cycles = {"without": _Cycles(plain), f"with {count:,}": _Cycles(full)}
    ends_at = time.monotonic() + run.count(**TURNS_SECONDS)
    waits = _lock_waits(full)
    while time.monotonic() < ends_at or len(cycles["without"].spent) < FEWEST:
        for each in cycles.values():
            each.run()
    table = Table(
        "Prunable: milliseconds with tasks around that can be pruned",
        ["prunable tasks", "claim + complete, median", "claim, median", "claim, 99 of 100"],
    )
    for name, each in cycles.items():
        table.add(name, statistics.median(each.spent), *each.claims()[:2])
    pruned = count - _left(full, count)
    table.note = (
        f"Turns of upkeep pruned {pruned:,} of them meanwhile, and "
        f"{_lock_waits(full) - waits} row locks were waited for."
    )
    run.report.table(table)
    without, found = (statistics.median(each.spent) for each in cycles.values())
    run.report.goal(f"{count:,} prunable tasks: x without", found / without, at_most=1.1)


class _Cycles:
    """Claims and completes of one client, and how many milliseconds they took."""

    def __init__(self, queue: Queue) -> None:
        self._client = Client(queue.url)
        self.spent: list[float] = []
        self._claims: list[float] = []

    def run(self) -> None:
        begun = time.perf_counter()
        task = self._client.post("/tasks/claim", {"worker_id": "bench"})
        self._claims.append((time.perf_counter() - begun) * 1000)
        if task is None:
            raise RuntimeError("there was nothing left to claim")
        self._client.post(f"/tasks/{task['id']}/complete", {"worker_id": "bench"})
        self.spent.append((time.perf_counter() - begun) * 1000)

    def claims(self) -> list[float]:
        """The median, the 99th hundredth and the slowest."""
        hundredths = statistics.quantiles(self._claims, n=100)
        return [statistics.median(self._claims), hundredths[-1], max(self._claims)]


def _while_pruned(run: Run, count: int, queue: Queue) -> None:
    table = Table(
        "Prunable: a claim's milliseconds while flask prune runs",
        ["", "median", "99 of 100", "slowest", "tasks pruned a second", "row locks waited for"],
    )
    before = _watched(queue, lambda: False, run.lasting(10 * run.seconds))
    table.add("before", *before, "", "")
    left, waits = _left(queue, count), _lock_waits(queue)
    sizes, begun = _bytes(queue), time.monotonic()
    command = [sys.executable, "-m", "flask", "--app", "passenger_wsgi", "prune"]
    environment = {**os.environ, "TASKMANAGER_CONFIG": queue.config}
    limit = run.count(**PRUNE_SECONDS)
    pruning = subprocess.Popen(
        [*command, "--max-seconds", str(limit)],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    during = _watched(queue, lambda: pruning.poll() is not None, 10 * limit)
    took = time.monotonic() - begun
    pruned = left - _left(queue, count)
    table.add("meanwhile", *during, pruned / took, _lock_waits(queue) - waits)
    table.note = (
        f"{pruned:,} tasks went. Bytes of all tables: {number(sizes)} before, "
        f"{number(_bytes(queue))} after; used_dedupe_keys takes "
        f"{number(_bytes(queue, 'used_dedupe_keys') / max(1, pruned))} bytes a key."
    )
    run.report.table(table)
    ratio = during[1] / before[0]
    run.report.goal("a claim's 99 of 100 while tasks are pruned: x the median", ratio, at_most=2)


def _watched(queue: Queue, is_done: Callable[[], bool], seconds: float) -> list[float]:
    """The median, the 99th hundredth and the slowest of claims, with completes in between."""
    cycles = _Cycles(queue)
    ends_at = time.monotonic() + seconds
    while (time.monotonic() < ends_at and not is_done()) or len(cycles.spent) < FEWEST:
        cycles.run()
    return cycles.claims()


def _left(queue: Queue, count: int) -> int:
    """How many of the first tasks are there still."""
    return int(queue.sql(f"SELECT COUNT(*) FROM tasks WHERE id <= {count}"))


def _lock_waits(queue: Queue) -> int:
    return int(queue.sql("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'").split()[-1])


def _bytes(queue: Queue, *tables: str) -> int:
    """Of pages that hold rows, by the server's own statistics brought up to date."""
    names = ", ".join(tables or TABLES)
    queue.sql(f"ANALYZE TABLE {names}")
    listed = ", ".join(f"'{each}'" for each in tables or TABLES)
    return int(
        queue.sql(
            "SELECT SUM(data_length + index_length) FROM information_schema.tables "
            f"WHERE table_schema = '{queue.database}' AND table_name IN ({listed})"
        )
    )
