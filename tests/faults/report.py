"""The table of a chaos run."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain
from statistics import median

from tests.faults.book_error import KINDS
from tests.faults.chaos import Hit, Outcome
from tests.faults.client_pool import Event

BEFORE = "before the first fault"
HEADINGS = (
    *("fault", "times", "tasks", "lost", "doubled", "wrongly refused"),
    *("over a limit", "outside the contract", "calls without response"),
    *("standstill, s (median, max)", "recovery, s (median, max)"),
)


def table(outcome: Outcome) -> str:
    """In Markdown: a row for each fault, from its beginning to that of the next, and a total."""
    columns = columns_of(outcome)
    standstills, recoveries = standstill_times(outcome), recovery_times(outcome)
    times = Counter(hit.name for hit in outcome.hits)
    lines = [HEADINGS, tuple("---" for _ in HEADINGS)]
    for name in [BEFORE, *times]:
        counts = (str(counted[name]) for counted in columns.values())
        seconds = (shown(standstills[name]), shown(recoveries[name]))
        lines.append((name, str(times[name] or ""), *counts, *seconds))
    totals = (str(sum(counted.values())) for counted in columns.values())
    every = (shown(list(chain(*found.values()))) for found in (standstills, recoveries))
    lines.append(("**all**", str(len(outcome.hits)), *totals, *every))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def columns_of(outcome: Outcome) -> dict[str, Counter[str]]:
    """What is counted, by the fault that came last before it."""
    first = {event["id"]: event for event in reversed(outcome.created)}.values()
    columns: dict[str, Counter[str]] = {"tasks": fault_of(outcome.hits, first)}
    for kind in KINDS:
        found = [{"at": error.at} for error in outcome.errors if error.kind == kind]
        columns[kind] = fault_of(outcome.hits, found)
    columns["outside"] = fault_of(outcome.hits, outcome.outside)
    columns["silence"] = fault_of(outcome.hits, outcome.silences)
    return columns


def fault_of(hits: list[Hit], events: Iterable[Event]) -> Counter[str]:
    begins = [hit.began for hit in hits]
    names = [BEFORE, *(hit.name for hit in hits)]
    return Counter(names[bisect_right(begins, event["at"])] for event in events)


def standstill_times(outcome: Outcome) -> dict[str, list[float]]:
    """The longest time in each fault, and until the next, in which no change was made at all."""
    times = sorted(event["at"] for event in outcome.responses if event["status"] in (200, 201))
    found: dict[str, list[float]] = defaultdict(list)
    ends = [*(hit.began for hit in outcome.hits[1:]), float("inf")]
    for hit, end in zip(outcome.hits, ends):
        inside = times[max(0, bisect_right(times, hit.began) - 1) : bisect_right(times, end)]
        gaps = [later - earlier for earlier, later in zip(inside, inside[1:])]
        if gaps:
            found[hit.name].append(max(gaps))
    return found


def recovery_times(outcome: Outcome) -> dict[str, list[float]]:
    """From the end of each fault to the moment when every server has made a change again."""
    successes: dict[int, list[float]] = defaultdict(list)
    for event in outcome.responses:
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
    counts = Counter(event["status"] for event in outcome.responses)
    slowest = max((event["seconds"] for event in outcome.responses), default=0.0)
    statuses = ", ".join(f"{count} with {status}" for status, count in sorted(counts.items()))
    return (
        f"{outcome.tasks} tasks, {len(outcome.responses)} responses ({statuses}), the slowest "
        f"after {slowest:.1f} s; all finished {outcome.drain_seconds:.1f} s after the last fault"
    )
