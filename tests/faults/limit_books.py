"""The books of limits: what the history says that ran at the same time, or within a period, is held
against what the types allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.faults.book_error import EXCEEDED, BookError
from tests.faults.limit_race import most_within

Row = dict[str, Any]


class Span(NamedTuple):
    """When an attempt was on, by the database's clock. ``end`` is infinite while it is."""

    began: float
    ended: float


def exceeded(
    limits: dict[str, dict[str, Any]], tasks: Iterable[Row], history: dict[int, list[Row]]
) -> Iterator[BookError]:
    """Each limit that did not hold. ``limits`` are those of the types, by name."""
    spans: dict[str, list[Span]] = defaultdict(list)
    of_key: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for task in tasks:
        if task.get("type") not in limits:
            continue
        found = spans_of(history[task["id"]])
        spans[task["type"]] += found
        if task["concurrency_key"] is not None:
            of_key[task["type"], task["concurrency_key"]] += found
    for name, limit in limits.items():
        yield from _too_many(name, most_at_once(spans[name]), limit.get("max_running"))
        if "rate" in limit:
            claims = sorted(span.began for span in spans[name])
            most = most_within(claims, limit["rate"]["seconds"])
            yield from _too_many(f"{name} in a period", most, limit["rate"]["tasks"])
    for (name, key), found in of_key.items():
        most = most_at_once(found)
        yield from _too_many(f"{name}, key {key}", most, limits[name].get("max_per_key"))


def spans_of(history: Sequence[Row]) -> list[Span]:
    """The attempts of one task. Each ends with the next line of its history."""
    ends = [*(line["time"] for line in history[1:]), float("inf")]
    return [
        Span(line["time"], end) for line, end in zip(history, ends) if line["status"] == "claimed"
    ]


def most_at_once(spans: Iterable[Span]) -> int:
    """One that ends in the millisecond in which another begins was before it."""
    changes = [(span.began, 1) for span in spans] + [(span.ended, -1) for span in spans]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


def _too_many(what: str, found: int, allowed: int | None) -> Iterator[BookError]:
    if allowed is not None and found > allowed:
        yield BookError(EXCEEDED, 0.0, f"{what}: {found} and not {allowed}")
