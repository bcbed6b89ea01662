"""Claims while a million tasks can be pruned, and while they are; the bytes that a task takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from bench import data
from bench.clients import Client, rate
from bench.queues import NOW, Queue, serving
from bench.report import Table, number
from bench.run import Run
from bench.ways import WAYS
from tests.support.server import PROJECT

AT_ONCE = {"RETAIN_COMPLETED_DAYS": 0, "RETAIN_FAILED_DAYS": 0}
PENDING = 60_000
CLIENTS = (1, 8)
ROUNDS = 11
"""More than usual: a turn of pruning falls into some of the measurements."""

PRUNE_SECONDS = 60
"""How long claims are watched while everything is pruned."""

TABLES = ("tasks", "task_history", "task_tags", "used_dedupe_keys")


def measure(run: Run) -> None:
    count = run.count(1_000_000, 500)
    full_queue = serving(NOW, run.mariadb, "prunable", AT_ONCE)
    with full_queue as full, serving(NOW, run.mariadb, "plain", AT_ONCE) as plain:
        for queue in (full, plain):
            data.types(queue, 1, 1)
        data.finished(full, count, kinds=1)
        full.sql("UPDATE tasks SET dedupe_key = SHA2(id, 256)")
        for queue in (full, plain):
            data.pending(queue, run.count(PENDING, 3000))
            data.settle_down(queue)
        _rates(run, count, full, plain)
        _while_pruned(run, count, full)


def _rates(run: Run, count: int, full: Queue, plain: Queue) -> None:
    table = Table(
        f"Prunable: tasks claimed and completed a second with {count:,} prunable tasks",
        ["clients", "without", "with", "ratio"],
        note="Claims prune some of them meanwhile, once a minute.",
    )
    for clients in CLIENTS:
        cases = {
            name: partial(rate, WAYS["claim + complete"], queue.url, clients, run.seconds)
            for name, queue in (("without", plain), ("with", full))
        }
        found = run.interleaved(cases, ROUNDS if not run.is_quick else 1)
        ratio = found["with"] / found["without"]
        table.add(clients, found["without"], found["with"], ratio)
        run.report.goal(f"{count:,} prunable tasks, {clients} clients", ratio, at_least=0.9)
    run.report.table(table)


def _while_pruned(run: Run, count: int, queue: Queue) -> None:
    table = Table(
        "Prunable: a claim's milliseconds while flask prune runs",
        ["", "median", "99 of 100", "slowest", "tasks pruned a second", "row locks waited for"],
    )
    before = _watched(queue, lambda: False, 10 * run.seconds)
    table.add("before", *before, "", "")
    left, waits = _left(queue, count), _lock_waits(queue)
    sizes, begun = _bytes(queue), time.monotonic()
    command = [sys.executable, "-m", "flask", "--app", "passenger_wsgi", "prune"]
    environment = {**os.environ, "TASKMANAGER_CONFIG": queue.config}
    limit = PRUNE_SECONDS if not run.is_quick else 2
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
    client = Client(queue.url)
    spent: list[float] = []
    ends_at = time.monotonic() + seconds
    while (time.monotonic() < ends_at and not is_done()) or len(spent) < 20:
        begun = time.perf_counter()
        task = client.post("/tasks/claim", {"worker_id": "watched"})
        spent.append((time.perf_counter() - begun) * 1000)
        if task is None:
            raise RuntimeError("there was nothing left to claim")
        client.post(f"/tasks/{task['id']}/complete", {"worker_id": "watched"})
    return [statistics.median(spent), statistics.quantiles(spent, n=100)[-1], max(spent)]


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
