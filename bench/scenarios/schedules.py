"""Claims with a thousand schedules of which none is due, beside claims without any: a cycle of the
one, then a cycle of the other, so that what else the machine does slows both down.
"""

from __future__ import annotations

import statistics
import time

from bench import data
from bench.clients import Client
from bench.queues import NOW, Queue, serving
from bench.report import Table
from bench.run import Run

SCHEDULES = 1000
PENDING = 60_000
FEWEST = 20
"""Claims of each, however long they take."""

SECONDS = {"usual": 25, "quick": 0, "full": 60}
"""Two turns of upkeep fall into these, or six: each of them looks whether a schedule is due."""


def measure(run: Run) -> None:
    count = run.count(SCHEDULES, 20)
    with (
        serving(NOW, run.mariadb, "scheduled") as scheduled,
        serving(NOW, run.mariadb, "unscheduled") as plain,
    ):
        for queue in (scheduled, plain):
            data.types(queue, 1, 1)
            data.pending(queue, run.count(PENDING, 3000))
            data.settle_down(queue)
        _add_schedules(scheduled, count)
        spent = _in_turns(run, {"none": plain, f"{count:,}": scheduled})
    table = Table(
        "Schedules: a claim's milliseconds with schedules of which none is due",
        ["schedules", "median", "mean", "99 of 100"],
    )
    for name, each in spent.items():
        table.add(
            name,
            statistics.median(each),
            statistics.mean(each),
            statistics.quantiles(each, n=100)[-1],
        )
    run.report.table(table)
    without, found = (statistics.median(each) for each in spent.values())
    run.report.goal(f"{count:,} schedules: x without", found / without, at_most=1.1)


def _add_schedules(queue: Queue, count: int) -> None:
    queue.sql(
        "INSERT INTO schedules (name, type_name, params_json, cron, timezone, missed, "
        "skips_unfinished, is_paused, next_at, created_at, updated_at) "
        "SELECT CONCAT('bench-', seq), 'bench.1', '{}', '0 4 * * *', 'UTC', 'once', 0, 0, "
        "UTC_TIMESTAMP(3) + INTERVAL 1 DAY + INTERVAL seq SECOND, UTC_TIMESTAMP(3), "
        f"UTC_TIMESTAMP(3) FROM seq_1_to_{count}; ANALYZE TABLE schedules"
    )


def _in_turns(run: Run, queues: dict[str, Queue]) -> dict[str, list[float]]:
    clients = {name: Client(queue.url) for name, queue in queues.items()}
    spent: dict[str, list[float]] = {name: [] for name in queues}
    ends_at = time.monotonic() + run.count(**SECONDS)
    while time.monotonic() < ends_at or len(spent["none"]) < FEWEST:
        for name, client in clients.items():
            begun = time.perf_counter()
            task = client.post("/tasks/claim", {"worker_id": "bench"})
            spent[name].append((time.perf_counter() - begun) * 1000)
            if task is None:
                raise RuntimeError("there was nothing left to claim")
            client.post(f"/tasks/{task['id']}/complete", {"worker_id": "bench"})
    return spent
