"""What reading statistics costs, and how that grows with the history: a million tasks, and two and
ten million rows of it.
"""

from __future__ import annotations

from functools import partial

from bench import data
from bench.clients import median_ms
from bench.queues import Queue
from bench.report import Table
from bench.run import Run

TASKS = 1_000_000
MORE_HISTORY = 8_000_000
MOST_MS = 50.0
MOST_GROWTH = 5.0

CALLS = {
    "/stats": "/stats",
    "/stats of a type": "/stats?type=bench.7",
    "/stats of a worker": "/stats?worker_id=worker-7",
    "/stats/series of an hour": "/stats/series?period=hour",
    "/stats/series of a week": "/stats/series?period=week",
    "/failures": "/failures",
    "/failures of a type": "/failures?type=bench.7",
    "/tasks with a total by type": "/tasks?total=true&type=bench.7",
    "/tasks with a total by tag": "/tasks?total=true&tag=bench-30",
}


def measure(run: Run) -> None:
    tasks, more = run.count(TASKS, 200), run.count(MORE_HISTORY, 800)
    table = Table(
        f"Statistics: median milliseconds of a call at {tasks:,} tasks",
        ["call", f"{2 * tasks:,} rows of history", f"{2 * tasks + more:,} rows", "ratio"],
    )
    with run.queues("statistics") as queues:
        queue = queues[0]
        data.types(queue, 1, data.KINDS)
        data.finished(queue, tasks)
        data.statistics(queue)
        before = _medians(run, queue)
        data.history(queue, more)
        after = _medians(run, queue)
    for name in CALLS:
        table.add(name, before[name], after[name], after[name] / before[name])
    run.report.table(table)
    run.report.goal("slowest call about statistics, ms", max(before.values()), at_most=MOST_MS)
    growth = max(after[name] / before[name] for name in CALLS)
    run.report.goal("the same with more history: x before", growth, at_most=MOST_GROWTH)


def _medians(run: Run, queue: Queue) -> dict[str, float]:
    data.settle_down(queue)
    queue.client.get("/stats")  # counts the tasks where they were filled in by SQL
    cases = {
        name: partial(median_ms, partial(queue.client.get, path), run.seconds / 2, at_least=3)
        for name, path in CALLS.items()
    }
    return run.interleaved(cases)
