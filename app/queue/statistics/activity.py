"""What happened lately, and how long it took: sums of what is rolled up, and of the rows that are
not yet in it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.db.connection import id_list, text_list
from app.queue.statistics.buckets import NO_TIME, percentiles
from app.queue.statistics.stored import ALL_TYPES, start_of_step, told_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.db.connection import Dialect, Row, Statement

WAITS = ("claimed",)
"""In this event's buckets is how long tasks waited."""

RUN = "run"
"""Stands for all of the next where nobody needs to tell them apart."""
RUNS = ("completed", "failed", "retried", RUN)
"""In the buckets of these is how long attempts took."""


FEWEST_ENDED = 10
"""So many tasks must have ended within the hour before the share of failures means anything."""

PACKED = 1000
"""More than there are buckets: a total and its bucket in one number."""


class Subject:
    """Whose activity it is: that of all types (None), of some, or of one worker."""

    def __init__(self, type_ids: Sequence[int] | None = None, worker_id: str | None = None) -> None:
        self.type_ids = None if type_ids is None else frozenset(type_ids)
        self.worker_id = worker_id

    def sums(self, sql: Dialect, step: int, starts: Sequence[str]) -> Statement:
        """Finds the totals of each event and bucket in the steps that began at these times."""
        condition, values = self._rolled_up(sql, step, starts)
        columns = "event, bucket"
        return (
            f"SELECT {columns}, SUM(total) AS total, SUM(total_seconds) AS total_seconds "
            f"FROM {condition} GROUP BY {columns}",
            values,
        )

    def totals(
        self, sql: Dialect, step: int, starts: Sequence[str], counted: Sequence[str]
    ) -> Statement:
        """Finds the totals of these events in all of these steps together."""
        condition, values = self._rolled_up(sql, step, starts)
        events, own = text_list("event", counted)
        return (
            f"SELECT event, SUM(total) AS total FROM {condition} AND event IN ({events}) "
            "GROUP BY event",
            {**values, **own},
        )

    def series(
        self, sql: Dialect, step: int, starts: Sequence[str], counted: Sequence[str]
    ) -> list[Statement]:
        """Finds the totals of these events in each of these steps; then the buckets of how long
        tasks had waited and attempts had run, packed into one row a step: reading a row for each
        bucket of a week took four times as long.
        """
        condition, values = self._rolled_up(sql, step, starts)
        events, own = text_list("event", counted)
        timed, names = text_list("timed", (*WAITS, *RUNS))
        kind = f"CASE event WHEN '{WAITS[0]}' THEN event ELSE '{RUN}' END"
        return [
            (
                f"SELECT started_at, event, {NO_TIME} AS bucket, SUM(total) AS total "
                f"FROM {condition} AND event IN ({events}) GROUP BY started_at, event",
                {**values, **own},
            ),
            (
                f"SELECT started_at, {kind} AS event, "
                f"GROUP_CONCAT(total * {PACKED} + bucket) AS packed "
                f"FROM {condition} AND event IN ({timed}) AND bucket <> {NO_TIME} "
                f"GROUP BY started_at, {kind}",
                {**values, **names},
            ),
        ]

    def _rolled_up(self, sql: Dialect, step: int, starts: Sequence[str]) -> Statement:
        # Each start is a range of the primary key: only what is asked for is read.
        listed, values = text_list("start", starts)
        types = [ALL_TYPES] if self.type_ids is None else sorted(self.type_ids)
        table, own = "task_activity", f"type_id IN ({id_list(types)})"
        if self.worker_id is not None:
            table, own = "worker_activity", "worker_id = :worker_id"
            values["worker_id"] = self.worker_id
        condition = f"step_seconds = {int(step)} AND started_at IN ({listed}) AND {own}"
        return f"{table} {sql.by_primary_key} WHERE {condition}", values

    def of_tail(self, tail: Iterable[Row]) -> list[Row]:
        """Those rows that are not rolled up which are its own."""
        return [row for row in tail if self._is_own(row)]

    def _is_own(self, row: Row) -> bool:
        if self.worker_id is not None:
            return bool(row["worker_id"] == self.worker_id)
        return self.type_ids is None or row["type_id"] in self.type_ids


def unpacked(row: Row) -> Iterator[Row]:
    """A row for each bucket."""
    for number in map(int, str(row["packed"]).split(",")):
        yield {**row, "bucket": number % PACKED, "total": number // PACKED}


class Histogram:
    """How many events there were of each kind, by the bucket of their times."""

    def __init__(self) -> None:
        self._totals: dict[str, dict[int, int]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            buckets = self._totals.setdefault(told_event(row), {})
            bucket = int(row["bucket"])
            buckets[bucket] = buckets.get(bucket, 0) + int(row["total"])

    def total(self, event: str) -> int:
        return sum(self._totals.get(event, {}).values())

    def percentiles(self, events: Sequence[str]) -> dict[str, float | None]:
        together: dict[int, int] = {}
        for event in events:
            for bucket, total in self._totals.get(event, {}).items():
                together[bucket] = together.get(bucket, 0) + total
        return percentiles(together)


def mean_seconds(rows: Iterable[Row], event: str) -> float | None:
    """How long it took on average; None where there was no such event."""
    own = [row for row in rows if row["event"] == event]
    total = sum(int(row["total"]) for row in own)
    return sum(float(row["total_seconds"] or 0) for row in own) / total if total else None


def starts_of_steps(now: str, step: int, seconds: int) -> list[str]:
    """When the steps began, as stored, of which each moment is within so many seconds of ``now``,
    or all but the oldest moments of the first; the last one is the one that is on.
    """
    last = datetime.fromisoformat(start_of_step(now[:16], step))
    times = [last - timedelta(seconds=step * back) for back in range(seconds // step)]
    return [f"{each:%Y-%m-%d %H:%M}:00.000" for each in reversed(times)]
