"""The table of a chaos run."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import median

from tests.faults.books import DOUBLED, LOST, REFUSED
from tests.faults.chaos import Hit, Outcome
from tests.faults.client_pool import Event

BEFORE = "before the first fault"
HEADINGS = (
    *("fault", "times", "tasks", "lost", "doubled", "wrongly refused"),
    *("outside the contract", "calls without answer", "recovery, s (median, max)"),
)


def table(outcome: Outcome) -> str:
    """In Markdown: a row for each fault, from its beginning to that of the next, and a total."""
    columns = columns_of(outcome)
    recoveries = recovery_times(outcome)
    times = Counter(hit.name for hit in outcome.hits)
    lines = [HEADINGS, tuple("---" for _ in HEADINGS)]
    for name in [BEFORE, *times]:
        counts = (str(counted[name]) for counted in columns.values())
        lines.append((name, str(times[name] or ""), *counts, shown(recoveries[name])))
    totals = (str(sum(counted.values())) for counted in columns.values())
    every = [seconds for found in recoveries.values() for seconds in found]
    lines.append(("**all**", str(len(outcome.hits)), *totals, shown(every)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def columns_of(outcome: Outcome) -> dict[str, Counter[str]]:
    """What is counted, by the fault that came last before it."""
    columns: dict[str, Counter[str]] = {"tasks": fault_of(outcome.hits, outcome.created)}
    for kind in (LOST, DOUBLED, REFUSED):
        found = [{"at": error.at} for error in outcome.errors if error.kind == kind]
        columns[kind] = fault_of(outcome.hits, found)
    columns["outside"] = fault_of(outcome.hits, outcome.outside)
    columns["silence"] = fault_of(outcome.hits, outcome.silences)
    return columns


def fault_of(hits: list[Hit], events: Iterable[Event]) -> Counter[str]:
    begins = [hit.began for hit in hits]
    names = [BEFORE, *(hit.name for hit in hits)]
    return Counter(names[bisect_right(begins, event["at"])] for event in events)


def recovery_times(outcome: Outcome) -> dict[str, list[float]]:
    """From the end of each fault to the moment when every server has made a change again."""
    successes: dict[int, list[float]] = defaultdict(list)
    for event in outcome.answers:
        if event["status"] in (200, 201):
            successes[event["port"]].append(event["at"])
    found: dict[str, list[float]] = defaultdict(list)
    for hit in outcome.hits:
        nexts = [times[bisect_right(times, hit.ended) :] for times in successes.values()]
        if nexts and all(nexts):
            found[hit.name].append(max(times[0] for times in nexts) - hit.ended)
    return found


def shown(seconds: list[float]) -> str:
    return f"{median(seconds):.2f}, {max(seconds):.2f}" if seconds else ""


def summary(outcome: Outcome) -> str:
    answers = Counter(event["status"] for event in outcome.answers)
    slowest = max((event["seconds"] for event in outcome.answers), default=0.0)
    statuses = ", ".join(f"{count} with {status}" for status, count in sorted(answers.items()))
    return (
        f"{outcome.tasks} tasks, {len(outcome.answers)} answers ({statuses}), the slowest after "
        f"{slowest:.1f} s; all finished {outcome.drain_seconds:.1f} s after the last fault"
    )
