"""What the rows of the history mean: which event each is, and what it does to the counts.

A row holds the status that a task has from then on. The status before follows from what kind of
change it was: what was claimed had been pending, what a worker ended had been claimed. Only a
cancel of a waiting task and a retry by hand have to look at the row before.
"""

from __future__ import annotations

from app.queue.history import PROMOTED, RELEASED
from app.queue.statistics.buckets import NO_TIME, bucket_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from app.db.connection import Dialect, Row, Statement

    CountKey = tuple[int, str, int]

RETRY = "retry"

# No worker's change is without its name, and nobody else's has one.
EVENT = f"""CASE
    WHEN h.status = 'claimed' THEN 'claimed'
    WHEN h.worker_id IS NOT NULL THEN CASE
        WHEN h.status IN ('completed', 'failed', 'cancelled') THEN h.status
        WHEN h.seconds IS NOT NULL THEN 'retried'
        WHEN h.message = '{RELEASED}' THEN 'released'
        ELSE 'expired' END
    WHEN h.status = 'cancelled' THEN 'withdrawn'
    WHEN h.message = '{PROMOTED}' THEN 'promoted'
    WHEN h.message = '{RETRY}' THEN 'restarted'
    ELSE 'created' END"""

LOOKS_BACK = (
    f"h.worker_id IS NULL AND (h.status = 'cancelled' OR h.status = 'pending' "
    f"AND h.message = '{RETRY}')"
)

STATUS_BEFORE = {"created": None, "claimed": "pending", "promoted": "scheduled"}
"""That of any other event is "claimed", except for those that look back."""


def changes(sql: Dialect, hint: str, condition: str, values: dict[str, Any]) -> Statement:
    """Finds the rows ``h`` of the history that pass the condition, equal ones together: a minute, a
    type, a worker and a kind of change each, with how many they are (``total``), and how long those
    tasks waited or ran (``bucket`` and ``total_seconds``). ``hint`` says by which index.
    """
    seconds = "CASE WHEN h.status = 'claimed' THEN h.waited ELSE h.seconds END"
    before = (
        f"FROM task_history AS p {sql.by_index('task_history_task')} "
        "WHERE p.task_id = h.task_id AND p.id < h.id ORDER BY p.id DESC LIMIT 1"
    )
    each = (
        f"SELECT SUBSTR(h.created_at, 1, 16) AS minute, t.type_id AS type_id, h.worker_id, "
        f"h.status, {EVENT} AS event, COALESCE(h.error_group, 0) AS error_group, "
        f"{seconds} AS seconds, {bucket_of(sql, seconds)} AS bucket, "
        f"CASE WHEN {LOOKS_BACK} THEN (SELECT p.status {before}) END AS status_before, "
        f"CASE WHEN {LOOKS_BACK} THEN (SELECT p.error_group {before}) END AS group_before "
        f"FROM task_history AS h {hint} "
        f"{sql.then_join} tasks AS t {sql.by_primary_key} ON t.id = h.task_id WHERE {condition}"
    )
    kind = (
        "minute, type_id, worker_id, status, event, error_group, bucket, status_before, "
        "group_before"
    )
    return (
        f"SELECT {kind}, COUNT(*) AS total, SUM(seconds) AS total_seconds "
        f"FROM ({each}) AS c GROUP BY {kind}",
        values,
    )


def changes_between(sql: Dialect, after: int, upto: int, and_also: str = "") -> Statement:
    """The changes whose rows have ids above ``after``, up to and with ``upto``."""
    condition = f"h.id > {int(after)} AND h.id <= {int(upto)}{and_also}"
    return changes(sql, sql.by_primary_key, condition, {})


class CountChange:
    """How many tasks more, or less, there are of each type, status and error group."""

    def __init__(self) -> None:
        self.totals: dict[CountKey, int] = {}

    def add_changes(self, rows: Iterable[Row], times: int = 1) -> None:
        """What ``changes`` found; with -1 for ``times`` it is undone."""
        for row in rows:
            total = int(row["total"]) * times
            after = (row["type_id"], row["status"], row["error_group"])
            before = key_before(row)
            self.add(after, total)
            if before is not None:
                self.add(before, -total)

    def add(self, key: CountKey, total: int) -> None:
        self.totals[key] = self.totals.get(key, 0) + total


def key_before(row: Row) -> CountKey | None:
    """How the tasks in a row of ``changes`` were counted before. None: they were not there."""
    status = _status_before(row)
    if status is None:
        return None
    group = int(row["group_before"] or 0) if status == "failed" else 0
    return (row["type_id"], status, group)


def _status_before(row: Row) -> str | None:
    found: str | None = row["status_before"]
    if row["event"] == "withdrawn":
        return "scheduled" if found == "scheduled" else "pending"
    if row["event"] == "restarted":
        # An earlier version wrote "pending" for scheduled, and nothing pending can be retried.
        return found if found in ("failed", "cancelled") else "scheduled"
    return STATUS_BEFORE.get(row["event"], "claimed")


def is_of_earlier_version(row: Row) -> bool:
    """Whether a version made the change that did not tell all that the counts need."""
    return bool(row["event"] == "claimed" and row["bucket"] == NO_TIME)
