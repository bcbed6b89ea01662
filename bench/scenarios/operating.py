"""What people who operate a queue ask of one that holds many tasks: dry runs of what is done to
many, calls that change a thousand, searches, statistics and the addresses that monitors call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial

from bench import data
from bench.clients import median_ms
from bench.queues import Queue
from bench.report import Table
from bench.run import Run

ENDED = {"usual": 180_000, "quick": 300, "full": 900_000}
WAITING = {"usual": 20_000, "quick": 100, "full": 100_000}
CHANGED = 1000
ROUNDS = 3
MOST_MS = 50.0

ACTIONS = ("retry", "cancel", "delete")

LISTS = {
    "/tasks by tag": "/tasks?tag=bench-30",
    "/tasks by tag, with a total": "/tasks?total=true&tag=bench-30",
    "/tasks by worker": "/tasks?worker_id=worker-7",
    "/tasks by worker, with a total": "/tasks?total=true&worker_id=worker-7",
    "a search for a tag": "/tasks?q=bench-30",
    "a search for a text that no task holds": "/tasks?q=nothing+like+it",
}

STATE = {
    "/stats": "/stats",
    "/failures": "/failures",
    "/health/live": "/health/live",
    "/health/ready": "/health/ready",
    "/health/queue": "/health/queue",
    "/metrics": "/metrics",
}


def measure(run: Run) -> None:
    ended, waiting = run.count(**ENDED), run.count(**WAITING)
    with run.queues("operating") as queues:
        queue = queues[0]
        data.types(queue, 1, data.KINDS)
        data.finished(queue, ended)
        data.statistics(queue, run.count(data.ALL_STEPS, 5))
        data.pending(queue, waiting, data.KINDS)
        data.workers(queue, 1, data.WORKERS)
        data.settle_down(queue)
        queue.client.get("/stats")  # counts the tasks where they were filled in by SQL
        _dry_runs(run, queue, ended + waiting)
        _reading(run, queue, ended + waiting)
        _changes(run, queue, ended + waiting)


def _filters(queue: Queue) -> dict[str, dict[str, object]]:
    middle = datetime.now(timezone.utc) - timedelta(days=data.DAYS // 2)
    group = queue.sql("SELECT MIN(error_group) FROM task_errors").strip()
    return {
        "all": {"type": "%"},
        "status": {"status": "failed"},
        "type": {"type": "bench.7"},
        "type pattern": {"type": "bench.1%"},
        "tag": {"tag": "bench-30"},
        "worker_id": {"worker_id": "worker-0"},
        "created_after": {"created_after": f"{middle:%Y-%m-%dT%H:%M:%SZ}"},
        "created_before": {"created_before": f"{middle:%Y-%m-%dT%H:%M:%SZ}"},
        "error_group": {"error_group": int(group)},
        "tag + created_before": {
            "tag": "bench-30",
            "created_before": f"{middle:%Y-%m-%dT%H:%M:%SZ}",
        },
    }


def _dry_runs(run: Run, queue: Queue, tasks: int) -> None:
    table = Table(
        f"Operating: median milliseconds of a dry run at {tasks:,} tasks",
        ["filter", *(title for each in ACTIONS for title in (each, "would change"))],
    )
    filters = _filters(queue)
    cases = {
        f"{action} {name}": _call(run, partial(_dry_run, queue, action, wanted))
        for name, wanted in filters.items()
        for action in ACTIONS
    }
    medians = run.interleaved(cases)
    for name, wanted in filters.items():
        cells: list[object] = []
        for action in ACTIONS:
            cells += [medians[f"{action} {name}"], _dry_run(queue, action, wanted)]
        table.add(name, *cells)
    run.report.table(table)
    run.report.goal(
        f"slowest dry run at {tasks:,} tasks, ms", max(medians.values()), at_most=MOST_MS
    )


def _dry_run(queue: Queue, action: str, wanted: dict[str, object]) -> str:
    found = queue.client.post(f"/tasks/{action}", {"filter": wanted, "dry_run": True})
    return f"{'at least ' if found['matched_is_capped'] else ''}{found['matched']:,}"


def _reading(run: Run, queue: Queue, tasks: int) -> None:
    table = Table(
        f"Operating: median milliseconds of what is read at {tasks:,} tasks", ["call", "ms"]
    )
    state, lists = (
        run.interleaved(
            # /metrics is no JSON, and /health/queue may say that something is wrong.
            {name: _call(run, partial(queue.client.read, path)) for name, path in calls.items()}
        )
        for calls in (STATE, LISTS)
    )
    for name, median in {**state, **lists}.items():
        table.add(name, median)
    table.note = "A search reads tasks for a second at most, and says from where to go on."
    run.report.table(table)
    run.report.goal(
        "slowest statistics, health or metrics, ms", max(state.values()), at_most=MOST_MS
    )


def _changes(run: Run, queue: Queue, tasks: int) -> None:
    """Each call changes other tasks: the newest that can be."""
    changed = run.count(CHANGED, 20)
    table = Table(
        f"Operating: median milliseconds of a call that changes {changed:,} of {tasks:,} tasks",
        ["call", "ms"],
    )
    filters = {
        "retry": {"status": "failed"},
        "cancel": {"status": "pending"},
        "delete": {"status": "completed"},
    }
    for action, wanted in filters.items():
        body = {"filter": wanted, "limit": changed}
        call = partial(queue.client.post, f"/tasks/{action}", body)
        table.add(action, median_ms(call, 0, at_least=1 if run.is_quick else 2 * ROUNDS))
    run.report.table(table)


def _call(run: Run, call: Callable[[], object]) -> Callable[[], float]:
    return partial(median_ms, call, run.lasting(run.seconds / 6), at_least=run.count(3, 1))
