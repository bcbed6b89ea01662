"""Which pending tasks a claim may try for, in the order it asked for.

A claim looks first where it costs least:

1. the head of the queue, read with the types of its tasks: nearly every claim finds enough here;
2. where few types match, the head of each: one index scan a type, merged here (``IN (…)`` with an
   ORDER BY would read every pending row in between);
3. where many match, the first three hundred tasks of the queue;
4. where none of these can be taken either, the types whose first tasks come first, then each of
   those as in 2.

None of this grows with the number of tasks, and only the last with the number of types.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.claim_order import ATTEMPTS_WINDOW
from app.queue.eligible_types import EligibleTypes, limited, types_with_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Result, Row, Statement
    from app.queue.claim_order import Order
    from app.queue.eligible_types import Filter

HEAD_MARGIN = 8
"""How many more tasks of the head are read than are wanted: some may be of paused types."""

FAR = 300
"""How many tasks of the queue are looked through where many types match."""

MOST_TYPES = 1_000_000
"""More than any site has."""


class Candidates:
    """The tasks that a claim may try for, by its filter and order. At most ``further`` are looked
    for beyond the head of the queue: there, each of many types may have to show so many.
    """

    def __init__(self, connection: Connection, types: Filter, order: Order, further: int) -> None:
        self._connection = connection
        self._sql = connection.dialect
        self._types = types
        self._order = order
        self._further = further

    def look(self, count: int) -> list[Statement]:
        """Finds what ``find`` begins with: the first types that match, the head of the queue."""
        head = self._order.head(self._sql, self._types, self._head_size(count))
        return [self._types.statement(self._sql), head]

    def find(self, found: Sequence[Result], count: int) -> list[Row]:
        """The first ``count`` candidates. ``found`` is what ``look`` found for this count."""
        types, head = (result.rows for result in found)
        eligible = EligibleTypes(types)
        is_whole_queue = len(head) < self._head_size(count)
        rows = self._order.sort([row for row in head if row["is_open"]])
        if not eligible.are_all:
            return self._find_among_many(rows, is_whole_queue, count)[:count]
        # Attempts are compared among a number of open tasks, not of any.
        are_enough = not self._order.by_attempts or len(rows) == len(head)
        rows = eligible.within_capacity(rows)
        if not is_whole_queue and not (are_enough and len(rows) >= count):
            rows = self._find_by_type(eligible, min(count, self._further))
        return rows[:count]

    def head_has(self, found: Sequence[Result], count: int) -> bool:
        """Whether the head of the queue alone has so many."""
        return sum(1 for row in found[1].rows if row["is_open"]) >= count

    def turns_after(self, rows: list[Row], took: str) -> list[Statement]:
        """What the order has to note when these are taken: ``took`` is true of tasks that were."""
        return []

    def _head_size(self, count: int) -> int:
        size = count + HEAD_MARGIN
        return max(size, ATTEMPTS_WINDOW) if self._order.by_attempts else size

    def _find_by_type(self, eligible: EligibleTypes, count: int) -> list[Row]:
        """Those that come first among the first tasks of each type."""
        if not eligible.open:
            return []
        if self._order.by_attempts:
            count = max(count, ATTEMPTS_WINDOW // len(eligible.open))
        found = self._connection.query(*self._order.of_types(self._sql, eligible.open, count))
        return eligible.within_capacity(self._order.sort(found))

    def _find_among_many(self, rows: list[Row], is_whole_queue: bool, count: int) -> list[Row]:
        """``rows`` are the open ones at the head."""
        counted = self._count_running(rows)
        rows = counted.within_capacity(rows)
        if is_whole_queue or len(rows) >= count:
            return rows
        count = min(count, self._further)
        if not self._order.by_attempts:  # the head was as long then
            rows, is_whole_queue = self._look_far(counted.saturated, count)
            if is_whole_queue or len(rows) >= count:
                return rows
        return self._find_by_type(self._types_that_come_first(count), count)

    def _look_far(self, saturated: list[int], count: int) -> tuple[list[Row], bool]:
        """Those among the first three hundred tasks, and whether no others can be found."""
        found, behind = self._connection.send(
            [
                self._order.open_in_head(self._sql, self._types, FAR, saturated, count),
                self._order.behind(self._sql, FAR),
            ]
        )
        rows = self._count_running(found.rows).within_capacity(found.rows)
        return rows, len(found.rows) < count and not behind.rows

    def _types_that_come_first(self, count: int) -> EligibleTypes:
        """The types of which the first tasks come first: the first tasks of all are theirs."""
        sql = self._sql
        condition, values = self._types.condition()
        types = types_with_running(
            sql,
            "task_types_open",
            f"is_paused = 0 AND {condition}",
            more=f", ({self._order.first_of_type(sql)}) AS first",
        )
        # With a LIMIT, MariaDB asks once for the first task of each type, else three times.
        found = self._connection.query(
            f"SELECT firsts.* FROM ({types} LIMIT {MOST_TYPES}) AS firsts "
            "LEFT JOIN tasks ON tasks.id = firsts.first WHERE firsts.first IS NOT NULL "
            "AND (firsts.max_running IS NULL OR firsts.running < firsts.max_running) "
            f"ORDER BY {self._order.sorting} LIMIT {count}",
            values,
        )
        return EligibleTypes(found)

    def _count_running(self, rows: list[Row]) -> EligibleTypes:
        """The types of these tasks that have ``max_running``."""
        type_ids = limited(rows)
        if not type_ids:
            return EligibleTypes([])
        sql = types_with_running(self._sql, None, f"id IN ({id_list(type_ids)})")
        return EligibleTypes(self._connection.query(sql, {}))
