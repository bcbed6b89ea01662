"""Adding to what is rolled up: the counts, and the activity of types and workers."""

from __future__ import annotations

from app.queue.statistics.changes import CountChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement

ROWS = 100
"""Rows in one INSERT."""

MINUTE, QUARTER, HOUR = 60, 900, 3600
EVER = 0
"""The step that never ends: what was counted since counting began."""
STEPS = (MINUTE, QUARTER, HOUR, EVER)
WORKER_STEPS = (QUARTER,)
"""Workers come and go, so less is kept of each."""

START_OF_EVER = "2000-01-01 00:00:00.000"

ALL_TYPES = 0

OF_WORKERS = ("claimed", "completed", "failed", "retried", "released", "expired")


def add_changes(sql: Dialect, rows: Sequence[Row]) -> list[Statement]:
    """Adds what ``changes`` found to the counts and to the activity."""
    change = CountChange()
    change.add_changes(rows)
    return [*add_counts(sql, change), *_add_activity(sql, rows)]


def add_counts(sql: Dialect, change: CountChange) -> list[Statement]:
    """Adds to the counts; those that come to nothing are removed."""
    counts = [[*key, total] for key, total in sorted(change.totals.items()) if total]
    key = ("type_id", "status", "error_group")
    statements = list(_upserts(sql, "task_counts", key, ("total",), counts))
    if statements:
        statements.append(("DELETE FROM task_counts WHERE total = 0", {}))
    return statements


def _add_activity(sql: Dialect, rows: Sequence[Row]) -> list[Statement]:
    sums = ("total", "total_seconds")
    step = ("step_seconds", "started_at")
    what = ("event", "bucket")
    of_types = _summed(_type_keys(rows))
    of_workers = _summed(_worker_keys(rows))
    return [
        *_upserts(sql, "task_activity", (*step, "type_id", *what), sums, of_types),
        *_upserts(sql, "worker_activity", (*step, "worker_id", *what), sums, of_workers),
    ]


def _type_keys(rows: Iterable[Row]) -> Iterator[tuple[tuple[Any, ...], Row]]:
    for row in rows:
        event = told_event(row)
        for step in STEPS:
            started_at = start_of_step(row["minute"], step)
            for type_id in (ALL_TYPES, row["type_id"]):
                yield (step, started_at, type_id, event, int(row["bucket"])), row


def told_event(row: Row) -> str:
    """The event as the activity tells it: who cancelled a task makes no difference there."""
    event: str = row["event"]
    return "cancelled" if event == "withdrawn" else event


def _worker_keys(rows: Iterable[Row]) -> Iterator[tuple[tuple[Any, ...], Row]]:
    for row in rows:
        if row["worker_id"] is None or row["event"] not in OF_WORKERS:
            continue
        for step in WORKER_STEPS:
            started_at = start_of_step(row["minute"], step)
            yield (step, started_at, row["worker_id"], row["event"], int(row["bucket"])), row


def _summed(keyed: Iterable[tuple[tuple[Any, ...], Row]]) -> list[list[Any]]:
    """A list of values for each key, in their order: two who add the same never deadlock."""
    sums: dict[tuple[Any, ...], list[float]] = {}
    for key, row in keyed:
        own = sums.setdefault(key, [0, 0.0])
        own[0] += int(row["total"])
        own[1] += float(row["total_seconds"] or 0)
    return [[*key, int(total), seconds] for key, (total, seconds) in sorted(sums.items())]


def start_of_step(minute: str, step: int) -> str:
    """The stored time at which the step began that ``minute`` (``YYYY-MM-DD HH:MM``) is in."""
    if step == EVER:
        return START_OF_EVER
    hour, minutes = minute[:13], int(minute[14:16])
    return f"{hour}:{minutes * 60 // step * step // 60:02}:00.000"


def _upserts(
    sql: Dialect,
    table: str,
    key: Sequence[str],
    sums: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> Iterator[Statement]:
    """Adds each row's last values to those of the row that has its key, or inserts it."""
    columns = [*key, *sums]
    change = ", ".join(f"{each} = {table}.{each} + {sql.given(each)}" for each in sums)
    ending = f"{sql.or_change(*(f'{table}.{each}' for each in key))} {change}"
    for start in range(0, len(rows), ROWS):
        values: dict[str, Any] = {}
        listed = []
        for number, row in enumerate(rows[start : start + ROWS]):
            names = [f"{column}_{number}" for column in columns]
            values.update(zip(names, row))
            listed.append(f"({', '.join(f':{name}' for name in names)})")
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join(listed)} {ending}"
        yield insert, values
