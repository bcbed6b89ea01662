"""When each worker was last seen, noted along with the calls that it makes anyway.

Every call of a worker could touch the time it was last seen. Each claim would then write one row
more, so that time is touched only now and then: a claim asks how old it is, in a packet that it
sends anyway, and adds the touch to another packet when it is due.
"""

from __future__ import annotations

from app.queue import lanes, upkeep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Row, Statement

BUSY_SECONDS = 10
"""How old ``last_seen_at`` may get for a worker that changes tasks, and so writes anyway."""

IDLE_SECONDS = 60
"""The same for one that asks for tasks and gets none: then it is a write of its own."""


class LastSeen:
    """How long ago the worker of a claim was last seen, and the touch that follows from it.

    The same look finds whether a turn of upkeep is due, whether the queue is paused, and whether
    lanes are due: one statement costs less than several.
    """

    def __init__(self, sql: Dialect, worker_id: str) -> None:
        self._sql = sql
        self._worker_id = worker_id
        self._seconds = float("inf")
        self.upkeep_is_due = False
        self.queue_is_paused = False
        self.lanes_are_due = False

    @property
    def look(self) -> Statement:
        """Finds what ``found`` is to be told."""
        age, overdue = map(self._sql.seconds_since, ("last_seen_at", "settings.value"))
        return (
            f"SELECT {age} AS age, {overdue} AS overdue, pause.name AS pause, "
            f"{lanes.are_due(self._sql)} AS has_due_lanes FROM settings "
            "LEFT JOIN workers ON workers.id = :worker AND deregistered_at IS NULL "
            f"LEFT JOIN settings AS pause ON pause.name = '{upkeep.PAUSED_AT}' "
            f"WHERE settings.name = '{upkeep.NEXT_TURN}'",
            {"worker": self._worker_id},
        )

    def found(self, rows: list[Row]) -> None:
        # Before the first turn ever there is no row, nor a type with a limit.
        row = rows[0] if rows else {"age": None, "overdue": None, "pause": None, "has_due_lanes": 0}
        if row["age"] is not None:
            self._seconds = row["age"]
        self.upkeep_is_due = upkeep.is_due(row["overdue"])
        self.queue_is_paused = row["pause"] is not None
        self.lanes_are_due = bool(row["has_due_lanes"])

    @property
    def has_row(self) -> bool:
        """Whether the worker surely has a row: only those away for days are forgotten."""
        return self._seconds <= IDLE_SECONDS

    def touch_with_others(self) -> list[Statement]:
        """The touch, for a packet that changes tasks anyway."""
        if self._seconds <= BUSY_SECONDS:
            return []
        return touch_last_seen(self._sql, self._worker_id)

    def was_touched(self) -> None:
        self._seconds = min(self._seconds, BUSY_SECONDS)

    def touch_alone(self) -> list[Statement]:
        """The touch, for a packet of its own."""
        return [] if self.has_row else touch_last_seen(self._sql, self._worker_id)


def touch_last_seen(sql: Dialect, worker_id: str) -> list[Statement]:
    """Note that the worker was seen just now, known or not."""
    values = {"worker": worker_id}
    return [
        make_known(sql, worker_id),
        (
            f"UPDATE workers SET last_seen_at = {sql.now}, deregistered_at = NULL "
            "WHERE id = :worker",
            values,
        ),
    ]


def make_known(sql: Dialect, worker_id: str) -> Statement:
    """A row for a worker that has none. Of two of its calls that come at once, the second leaves
    the row as the first wrote it. It comes after all changes of tasks, so that everybody locks in
    the same order.
    """
    return (
        "INSERT INTO workers (id, first_seen_at, last_seen_at) "
        f"SELECT :worker, {sql.now}, {sql.now} FROM (SELECT 1 AS one) AS once "
        "WHERE NOT EXISTS (SELECT 1 FROM workers WHERE id = :worker) "
        + sql.unless_there("workers.id"),
        {"worker": worker_id},
    )


def touch_last_seen_if_due(sql: Dialect, worker_id: str) -> Statement:
    """Note that a known worker was seen just now, unless that was noted a moment ago."""
    return (
        f"UPDATE workers SET last_seen_at = {sql.now} "
        f"WHERE id = :worker AND last_seen_at < {sql.after(str(-BUSY_SECONDS))}",
        {"worker": worker_id},
    )
