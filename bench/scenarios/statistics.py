"""What reading statistics costs, and how that grows with the history: two rows of it a task, then
ten. In processor time, whatever else the machine does meanwhile.
"""

from __future__ import annotations

from bench import data
from bench.processor import Spent, per_task
from bench.queues import Queue
from bench.report import Table
from bench.run import Run

TASKS = {"usual": 200_000, "quick": 200, "full": 1_000_000}
MORE_HISTORY = 8
"""Rows a task."""

MOST_MS = 50.0
MOST_GROWTH = 5.0
CALLS_EACH = 40

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
    tasks = run.count(**TASKS)
    more = MORE_HISTORY * tasks if not run.is_quick else 800
    table = Table(
        f"Statistics: milliseconds of processor time of a call at {tasks:,} tasks",
        ["call", "rows of history", "server", "database", "together", "x before"],
    )
    with run.queues("statistics") as queues:
        queue = queues[0]
        data.types(queue, 1, data.KINDS)
        data.finished(queue, tasks)
        data.statistics(queue, run.count(data.ALL_STEPS, 5))
        before = _spent(run, queue)
        data.history(queue, more)
        after = _spent(run, queue)
    for name, path in CALLS.items():
        first, last = before[path], after[path]
        table.add(name, f"{2 * tasks:,}", first.server, first.database, first.total, "")
        ratio = last.total / max(first.total, 0.1)
        table.add("", f"{2 * tasks + more:,}", last.server, last.database, last.total, ratio)
    run.report.table(table)
    statistics = [path for path in before if not path.startswith("/tasks")]
    slowest = max(before[path].total for path in statistics)
    run.report.goal("most for a call about statistics, ms", slowest, at_most=MOST_MS)
    growth = max(after[path].total for path in statistics)
    run.report.goal("the same with more history, ms", growth, at_most=MOST_GROWTH * MOST_MS)


def _spent(run: Run, queue: Queue) -> dict[str, Spent]:
    """By path."""
    data.settle_down(queue)
    data.take_for_rolled_up(queue)
    for path in CALLS.values():  # the first one counts the tasks
        queue.client.get(path)
    calls = run.count(CALLS_EACH, 1)
    return {path: _spent_on(queue, path, calls) for path in CALLS.values()}


def _spent_on(queue: Queue, path: str, calls: int) -> Spent:
    def call() -> float:
        for _ in range(calls):
            queue.client.get(path)
        return 0.0

    _, seconds = queue.meter.measure(call)
    return per_task(seconds, calls)
