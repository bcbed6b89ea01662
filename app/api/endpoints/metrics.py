"""Metrics for Prometheus and what reads its text format. Labels are types and statuses alone."""

from __future__ import annotations

from app.api.prometheus import CONTENT_TYPE, metric, summary
from app.api.response import Response, TextResponse
from app.queue.statistics.totals import Totals, totals
from app.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

COUNTERS = {
    "created": "Tasks that were created.",
    "claimed": "Claims of tasks.",
    "completed": "Tasks that completed.",
    "failed": "Tasks that failed for good.",
    "retried": "Attempts that failed and were followed by another.",
    "released": "Attempts that were given back.",
    "expired": "Attempts whose lease ended.",
    "cancelled": "Tasks that were cancelled.",
}
"""Each event of the statistics that becomes a counter, and what it counts."""

PREFIX = "taskmanager_"


def metrics(call: Call) -> Response:
    found = totals(call.site)
    text = "".join(
        [
            metric(f"{PREFIX}info", "gauge", "What serves.", [({"version": VERSION}, 1)]),
            metric(f"{PREFIX}tasks", "gauge", "Tasks by type and status.", _by_status(found)),
            metric(
                f"{PREFIX}oldest_due_age_seconds",
                "gauge",
                "How long the task waits that has waited longest; 0 where none does.",
                [({}, found.oldest_due_age or 0.0)],
            ),
            metric(
                f"{PREFIX}workers",
                "gauge",
                "Workers that were seen within five minutes.",
                [({}, found.workers)],
            ),
            metric(
                f"{PREFIX}paused",
                "gauge",
                "1 while the whole queue is paused.",
                [({}, int(found.is_paused))],
            ),
            *(_counter(found, event, help) for event, help in COUNTERS.items()),
            _durations(found, "wait", "How long tasks waited to be claimed.", ("claimed",)),
            _durations(found, "run", "How long attempts took.", ("completed", "failed", "retried")),
        ]
    )
    return TextResponse(text, CONTENT_TYPE)


def _by_status(found: Totals) -> list[tuple[dict[str, str], float]]:
    return [
        ({"type": name, "status": status}, count)
        for (name, status), count in sorted(found.counts.items())
    ]


def _counter(found: Totals, event: str, help: str) -> str:
    samples = [
        ({"type": name}, total)
        for (name, each), total in sorted(found.events.items())
        if each == event
    ]
    return metric(f"{PREFIX}tasks_{event}_total", "counter", help, samples)


def _durations(found: Totals, name: str, help: str, events: tuple[str, ...]) -> str:
    counts: dict[str, int] = {}
    sums: dict[str, float] = {}
    for (type_name, event), total in found.events.items():
        if event in events:
            counts[type_name] = counts.get(type_name, 0) + total
            sums[type_name] = sums.get(type_name, 0.0) + found.seconds[(type_name, event)]
    samples = [({"type": each}, counts[each], sums[each]) for each in sorted(counts)]
    return summary(f"{PREFIX}task_{name}_seconds", help, samples)
