"""Letting tasks through that their lanes held back: as many as the limits allow, in order.

The one place where such a task becomes pending. Whoever comes here first writes the lane's row and
then counts, in one transaction, so that no two count at once, on a cluster neither. What is pending
or claimed has its slot already: claims only pass it on.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import lanes
from app.queue.change_id import new_change_id
from app.queue.lanes import BLOCKED, OF_RATE, THROTTLED
from app.queue.task_action import status_in
from app.queue.task_fields import PENDING_SINCE
from app.queue.upkeep import rate_windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.db.connection import Connection, Dialect, Result, Row, Statement

LANES_AT_ONCE = 10
TASKS_AT_ONCE = 100
SWAPS_AT_ONCE = 10

MOST_OPEN = 200
"""How many tasks of a type with a rate are pending at most: more would have to be counted each
time, and this many are enough until the next claim."""

NO_LIMITS: Row = {"max_per_key": None, "rate_tasks": None, "rate_seconds": None}


def let_through(
    connection: Connection, and_then: Sequence[Statement]
) -> tuple[bool, Sequence[Result]]:
    """See to some of the lanes that are due and that nobody else sees to. Whether others are, and
    what ``and_then`` found afterwards.
    """
    sql = connection.dialect
    look = (
        f"SELECT type_id, concurrency_key, due_at FROM lanes {sql.by_index('lanes_due')} "
        f"WHERE due_at <= {sql.now} ORDER BY due_at LIMIT {LANES_AT_ONCE} "
        f"{connection.lock_what_is_free}"
    )
    found = connection.begin([(look, {})])[0].rows
    mark = new_change_id()
    found.sort(key=lambda row: (row["type_id"], row["concurrency_key"]))
    due = [_lane(sql, row, mark) for row in found]
    statements: list[Statement] = []
    if due:
        statements = _changes(connection, due)
    is_more_due: Statement = (f"SELECT {lanes.are_due(sql)} AS due", {})
    results = connection.commit(statements, [is_more_due, *and_then])[len(statements) :]
    return bool(results[0].rows[0]["due"]) and bool(due), results[1:]


def _lane(sql: Dialect, row: Row, mark: int) -> _Lane:
    kind = _RateLane if row["concurrency_key"] == OF_RATE else _KeyLane
    return kind(sql, row, mark)


def _changes(connection: Connection, due: Sequence[_Lane]) -> list[Statement]:
    """What lets the tasks of these lanes through, in the transaction that is open."""
    sql = connection.dialect
    types = id_list({each.type_id for each in due})
    look: Statement = (
        f"SELECT id, max_per_key, rate_tasks, rate_seconds FROM task_types "
        f"{sql.by_primary_key} WHERE id IN ({types})",
        {},
    )
    # The lanes are written before anything is counted.
    asked = [*(each.marked() for each in due), look, *_each(each.looks() for each in due)]
    results = connection.send(asked)
    of_type = {row["id"]: row for row in results[len(due)].rows}
    found = iter(results[len(due) + 1 :])
    for each in due:
        each.plan(of_type.get(each.type_id, NO_LIMITS), [next(found).rows for _ in each.looks()])
    _lock_swapped(connection, due)
    return _each(each.changes() for each in due)


def _lock_swapped(connection: Connection, due: Sequence[_Lane]) -> None:
    """A task that is to step back may have been claimed by now: then the other one waits on."""
    back = sorted(task_id for each in due for _, task_id in each.swaps)
    if not back:
        return
    sql = connection.dialect
    look = (
        f"SELECT id FROM tasks {sql.by_primary_key} WHERE id IN ({id_list(back)}) "
        f"AND {status_in(('pending', THROTTLED))} ORDER BY id {sql.lock}"
    )
    locked = {row["id"] for row in connection.query(look, {})}
    for each in due:
        each.swaps = [swap for swap in each.swaps if swap[1] in locked]


def _each(lists: Iterable[Sequence[Statement]]) -> list[Statement]:
    return [statement for statements in lists for statement in statements]


class _Lane:
    """One lane that is due. ``plan`` finds which tasks go ``through``, and which of them in place
    of another one that steps back (``swaps``).
    """

    status: str
    """Of the tasks that it holds back."""

    def __init__(self, sql: Dialect, row: Row, mark: int) -> None:
        self.type_id = int(row["type_id"])
        self.through: list[int] = []
        self.swaps: list[tuple[int, int]] = []
        self._sql = sql
        self._is_this = "type_id = :type_id AND concurrency_key = :key"
        self._values = {"type_id": self.type_id, "key": row["concurrency_key"]}
        self._due_since = row["due_at"]
        self._mark = mark
        self._limits = NO_LIMITS
        self._due_at: str | None = "NULL"
        """SQL for when it is due next; None where it is not needed any more."""

    def marked(self) -> Statement:
        return f"UPDATE lanes SET claim_mark = {self._mark} WHERE {self._is_this}", self._values

    def looks(self) -> Sequence[Statement]:
        """Finds the tasks that it holds back, the last ones that it let through, and more."""
        raise NotImplementedError

    def plan(self, limits: Row, found: Sequence[Sequence[Row]]) -> None:
        raise NotImplementedError

    def changes(self) -> list[Statement]:
        ahead = [*self.through, *(task_id for task_id, _ in self.swaps)]
        statements = []
        if self.swaps:
            statements.append(self._step_back([task_id for _, task_id in self.swaps]))
        if ahead:
            statements.append(self._let_through(ahead))
        return [*statements, *self._more_changes(), self._end()]

    def _more_changes(self) -> Sequence[Statement]:
        return []

    def _step_back(self, ids: Sequence[int]) -> Statement:
        raise NotImplementedError

    def _let_through(self, ids: Sequence[int]) -> Statement:
        raise NotImplementedError

    def _go_on(self, assignments: str, ids: Sequence[int]) -> Statement:
        """From now on the tasks wait for something else: since when is as long as they could have
        been let through.
        """
        since = self._sql.timestamp(":due_since")
        ready = f"CASE WHEN {PENDING_SINCE} > {since} THEN {PENDING_SINCE} ELSE {since} END"
        sql, values = self._update(f"ready_at = {ready}, {assignments}", ids, [self.status])
        return sql, {**values, "due_since": self._due_since}

    def _update(self, assignments: str, ids: Sequence[int], statuses: Sequence[str]) -> Statement:
        # A rival node may have undone what this transaction wrote first: then nothing happens.
        is_marked = f"EXISTS (SELECT 1 FROM lanes WHERE {self._lane_is_marked})"
        return (
            f"UPDATE tasks {self._sql.by_primary_key} SET {assignments} "
            f"WHERE id IN ({id_list(ids)}) AND {status_in(statuses)} AND {is_marked}",
            self._values,
        )

    def _end(self) -> Statement:
        if self._due_at is None:
            return f"DELETE FROM lanes WHERE {self._lane_is_marked}", self._values
        update = f"UPDATE lanes SET due_at = {self._due_at} WHERE {self._lane_is_marked}"
        return update, self._values

    @property
    def _lane_is_marked(self) -> str:
        is_this = "lanes.type_id = :type_id AND lanes.concurrency_key = :key"
        return f"{is_this} AND lanes.claim_mark = {self._mark}"

    def _go(self, free: int, waiting: Sequence[Row], last: Sequence[Row]) -> None:
        """Let ``free`` of those that wait through, and swap those that come before the ``last``."""
        self.through = [row["id"] for row in waiting[: max(0, free)]]
        rest = waiting[len(self.through) :]
        self.swaps = [
            (ahead["id"], behind["id"])
            for ahead, behind in zip(rest, last)
            if (ahead["urgency"], ahead["id"]) < (behind["urgency"], behind["id"])
        ]

    def _is_unfinished(self, free: int) -> bool:
        """Whether more tasks may go through than one look finds."""
        is_full = len(self.through) == TASKS_AT_ONCE and free > TASKS_AT_ONCE
        return is_full or len(self.swaps) == SWAPS_AT_ONCE


class _KeyLane(_Lane):
    """Of the tasks of one key, ``max_per_key`` may be beyond it: pending, throttled or claimed."""

    status = BLOCKED

    def looks(self) -> Sequence[Statement]:
        tasks = f"FROM tasks {self._sql.by_index('tasks_key')} WHERE {self._is_this}"
        beyond = status_in(("pending", THROTTLED, "claimed"))
        waits = status_in(("pending", THROTTLED))
        # An older version leaves the slot to tasks that have ended, so the status is looked at.
        return [
            (
                f"SELECT id, urgency {tasks} AND key_slot = 0 AND status = '{BLOCKED}' "
                f"ORDER BY urgency, id LIMIT {TASKS_AT_ONCE}",
                self._values,
            ),
            (
                f"SELECT id, urgency {tasks} AND key_slot = 1 AND {waits} "
                f"ORDER BY urgency DESC, id DESC LIMIT {SWAPS_AT_ONCE}",
                self._values,
            ),
            (f"SELECT COUNT(*) AS total {tasks} AND key_slot = 1 AND {beyond}", self._values),
        ]

    def plan(self, limits: Row, found: Sequence[Sequence[Row]]) -> None:
        waiting, last, ((counted),) = found
        beyond, most = counted["total"], limits["max_per_key"]
        self._limits = limits
        free = TASKS_AT_ONCE + 1 if most is None else most - beyond
        self._go(free, waiting, last)
        if self._is_unfinished(free):
            self._due_at = self._sql.now
        elif not waiting and (most is None or not beyond):
            self._due_at = None

    def _let_through(self, ids: Sequence[int]) -> Statement:
        status = "pending" if self._limits["rate_tasks"] is None else THROTTLED
        return self._go_on(f"status = '{status}', key_slot = 1", ids)

    def _step_back(self, ids: Sequence[int]) -> Statement:
        return self._update(f"status = '{BLOCKED}', key_slot = 0", ids, ["pending", THROTTLED])

    def _more_changes(self) -> Sequence[Statement]:
        if self._limits["rate_tasks"] is None:
            return []
        return [lanes.make_lane_due(self._sql, self.type_id, OF_RATE)]


class _RateLane(_Lane):
    """Of the tasks of a type with a rate, so many may be pending, or claimed within its period, as
    may be claimed in the period.
    """

    status = THROTTLED

    def looks(self) -> Sequence[Statement]:
        sql = self._sql
        tasks = (
            f"FROM tasks {sql.by_index('tasks_claim_type')} WHERE status = '{{}}' "
            f"AND type_id = {self.type_id}"
        )
        pending = tasks.format("pending")
        return [
            (
                f"SELECT id, urgency {tasks.format(THROTTLED)} "
                f"ORDER BY urgency, id LIMIT {TASKS_AT_ONCE}",
                {},
            ),
            (
                f"SELECT id, urgency {pending} ORDER BY urgency DESC, id DESC "
                f"LIMIT {SWAPS_AT_ONCE}",
                {},
            ),
            # Before the claims: a task that is claimed meanwhile counts twice, and not never.
            (
                f"SELECT COUNT(*) AS total FROM (SELECT id {pending} LIMIT {MOST_OPEN}) AS p",
                {},
            ),
            rate_windows.used(sql, self.type_id),
        ]

    def plan(self, limits: Row, found: Sequence[Sequence[Row]]) -> None:
        waiting, last, ((counted),), ((window),) = found
        most, pending, used = limits["rate_tasks"], counted["total"], int(window["used"])
        self._limits, self._window = limits, window
        free = TASKS_AT_ONCE + 1 if most is None else min(most - used, MOST_OPEN) - pending
        self._go(free, waiting, () if most is None else last)
        if self._is_unfinished(free):
            self._due_at = self._sql.now
        elif most is None:
            self._due_at = None
        elif len(waiting) > len(self.through) and used:
            self._due_at = rate_windows.opens_at(self._sql, limits["rate_seconds"], window)
        elif not waiting and not pending and not used:
            self._due_at = None

    def _let_through(self, ids: Sequence[int]) -> Statement:
        return self._go_on("status = 'pending'", ids)

    def _step_back(self, ids: Sequence[int]) -> Statement:
        return self._update(f"status = '{THROTTLED}'", ids, ["pending"])

    def _more_changes(self) -> Sequence[Statement]:
        seconds = self._limits["rate_seconds"]
        return rate_windows.tidy(self._sql, self.type_id, seconds, self._window, self._mark)
