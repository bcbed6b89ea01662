"""Lists of tasks at a million rows: every filter of GET /api/tasks, with hits and without, and
some pairs of them.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone
from functools import partial
from urllib.parse import urlencode

from bench import data
from bench.clients import Refused, median_ms
from bench.queues import Queue
from bench.report import Table
from bench.run import Run

ROWS = 1_000_000
MOST_MS = 25.0
ROUNDS = 1

Filters = dict[str, str]


def filters() -> dict[str, Filters]:
    """By name, what is asked for."""
    now = datetime.now(timezone.utc)
    past = f"{now - timedelta(days=data.DAYS + 10):%Y-%m-%dT%H:%M:%SZ}"
    middle = f"{now - timedelta(days=data.DAYS // 2):%Y-%m-%dT%H:%M:%SZ}"
    future = f"{now + timedelta(days=10):%Y-%m-%dT%H:%M:%SZ}"
    now_text = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "none": {},
        "status": {"status": "failed"},
        "status, no hits": {"status": "cancelled"},
        "type": {"type": "bench.7"},
        "type, no hits": {"type": "bench.none"},
        "type pattern": {"type": "bench.%"},
        "type pattern, no hits": {"type": "none.%"},
        "tag": {"tag": "bench-30"},
        "tag, no hits": {"tag": "none"},
        "worker_id": {"worker_id": "worker-7"},
        "worker_id, no hits": {"worker_id": "nobody"},
        "created_after": {"created_after": middle},
        "created_after, no hits": {"created_after": future},
        "created_before": {"created_before": middle},
        "created_before, no hits": {"created_before": past},
        "before_id": {"before_id": "1000"},
        "before_id, no hits": {"before_id": "1"},
        "status + type": {"status": "failed", "type": "bench.1"},
        "status + type pattern": {"status": "failed", "type": "bench.%"},
        "status + type, no hits": {"status": "cancelled", "type": "bench.%"},
        "status + tag": {"status": "completed", "tag": "bench-30"},
        "status + worker_id": {"status": "failed", "worker_id": "worker-0"},
        "type + tag": {"type": "bench.1", "tag": "bench-0"},
        "type + created_before": {"type": "bench.7", "created_before": past},
        "status + created_before": {"status": "failed", "created_before": past},
        "tag + worker_id, no hits": {"tag": "bench-30", "worker_id": "nobody"},
        "worker_id + type": {"worker_id": "worker-7", "type": "bench.8"},
        "worker_id + created_before": {"worker_id": "worker-7", "created_before": middle},
        "created_after + created_before": {"created_after": middle, "created_before": now_text},
        # Both are passed by many, and none passes both.
        "status + worker_id, disjoint": {"status": "failed", "worker_id": "worker-7"},
        "tag + worker_id, disjoint": {"tag": "bench-30", "worker_id": "worker-7"},
    }


def measure(run: Run) -> None:
    rows = run.count(ROWS, 200)
    table = Table(
        f"Lists: median milliseconds of GET /api/tasks at {rows:,} tasks, 50 a page",
        ["filter", *run.columns("ms")],
    )
    slowest = 0.0
    with run.queues("lists") as queues:
        for queue in queues:
            data.types(queue, 1, data.KINDS)
            data.finished(queue, rows)
            data.settle_down(queue)
        for name, wanted in filters().items():
            cases = {
                queue.version.name: partial(_median, queue, wanted, run.lasting(run.seconds / 4))
                for queue in queues
            }
            values = list(run.interleaved(cases, rounds=ROUNDS).values())
            slowest = max(slowest, values[0])
            table.add(name, *run.cells(values))
    run.report.table(table)
    run.report.goal(f"slowest list at {rows:,} tasks, ms", slowest, at_most=MOST_MS)


def _median(queue: Queue, wanted: Filters, seconds: float) -> float:
    """Infinite where the server gives up (CALL_DEADLINE)."""
    try:
        return median_ms(partial(_list, queue, wanted), seconds, at_least=2)
    except Refused as error:
        print(error)
        return float("inf")


def _list(queue: Queue, wanted: Filters) -> None:
    """One that the server gives up on counts with the time that it took until then."""
    with contextlib.suppress(Refused):
        queue.client.get(f"/tasks?{urlencode({'limit': '50', **wanted})}")
