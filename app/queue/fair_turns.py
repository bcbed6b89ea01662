"""The order ``fair``: within one priority, claims take in turn from the types.

Whose turn was last is a row of ``settings`` for each priority and each filter that claims send:
nothing has to stay in a process, and workers of other types do not get in each other's way. A claim
goes on from there through the index of types (type, then priority, then id), and one step finds the
next type that has tasks, however many have none. It takes the first task of that type and moves the
turn on in the same transaction. A rival that looked before goes for the same task, so it loses it
and looks again, at the turn as it is by then: types are taken in turn however many claim.

What the turns do not lead to, such as tasks of lower priority when a batch has room for them, is
found as in the strict order.
"""

from __future__ import annotations

import json
from binascii import crc32

from app.queue.candidates import Candidates
from app.queue.eligible_types import EligibleTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Result, Row, Statement
    from app.queue.claim_order import Order
    from app.queue.eligible_types import Filter

ROWS = "fair."
"""What the names of all rows of ``settings`` begin with that hold a turn."""

ALL_ROWS = "name >= 'fair.' AND name < 'fair/'"
"""True of these rows: the slash is the character that follows the dot."""

MOST_ROWS = 100
"""How many turns of one filter are read: one for each priority that had one."""

STEP = 8
"""How many tasks one step reads: it may pass several types that have few."""

MOST_STEPS = 8
"""How many steps a claim makes at most, and so from how many types with many tasks a batch takes.
The next claim goes on from there."""


class FairCandidates(Candidates):
    """The tasks that a claim may try for, in turn from the types."""

    def __init__(self, connection: Connection, types: Filter, order: Order, further: int) -> None:
        super().__init__(connection, types, order, further)
        self._turns = Turns(self._sql, types)

    def look(self, count: int) -> list[Statement]:
        return [*super().look(count), self._turns.look]

    def find(self, found: Sequence[Result], count: int) -> list[Row]:
        self._turns.found(found[2].rows)
        eligible, head = EligibleTypes(found[0].rows), found[1].rows
        at_head = self._open(eligible, head)
        if not at_head:
            rows = super().find(found[:2], count)
            if rows:
                rows = self._merge(self._find_in_turn(eligible, rows[0]["urgency"], count), rows)
            return rows[:count]
        level = at_head[0]["urgency"]
        if head[-1]["urgency"] != level or len(head) < self._head_size(count):
            # The head of the queue has all of this priority.
            rows = self._turns.sort([row for row in at_head if row["urgency"] == level])
        else:
            rows = self._find_in_turn(eligible, level, count)
        if len(rows) < count:
            rows = self._merge(rows, super().find(found[:2], count))
        return rows[:count]

    def turns_after(self, rows: list[Row], took: str) -> list[Statement]:
        return self._turns.after(rows, f"EXISTS (SELECT 1 FROM tasks WHERE {took})")

    def _merge(self, rows: list[Row], strict: list[Row]) -> list[Row]:
        """``rows``, and those of the strict order that are not among them."""
        known = {row["id"] for row in rows}
        return self._turns.sort(rows + [row for row in strict if row["id"] not in known])

    def _find_in_turn(self, eligible: EligibleTypes, level: int, count: int) -> list[Row]:
        """Tasks of the highest priority of which any can be claimed."""
        rows = self._step_through_types(eligible, level, count)
        types = {row["type_id"]: row for row in rows}
        each = -(-count // max(1, len(types)))
        if types and each > 1:
            rows = self._of_each(eligible, types, level, each)
            if len(rows) < count:  # some have fewer, so that others have more turns
                rows = self._of_each(eligible, types, level, count)
        return self._turns.sort(rows)

    def _of_each(
        self, eligible: EligibleTypes, types: dict[int, Row], level: int, count: int
    ) -> list[Row]:
        """So many tasks of each of these types, which stand with their ids."""
        found = self._connection.query(*self._order.of_types(self._sql, types, count))
        return self._open(eligible, [row for row in found if row["urgency"] == level])

    def _step_through_types(self, eligible: EligibleTypes, level: int, count: int) -> list[Row]:
        """The first tasks of the types that come next, at this level, until there are so many
        types, or it was everybody's turn.
        """
        known = sorted(eligible.open) if eligible.are_all else None
        last = self._turns.last(level)
        low, high = last, None
        found: list[Row] = []
        for _ in range(MOST_STEPS):
            start = low if known is None else _before_next(known, low)
            rows = [] if start is None else self._step(start, high)
            found += self._open(eligible, [row for row in rows if row["urgency"] == level])
            if len({row["type_id"] for row in found}) >= count:
                return found
            if len(rows) == STEP:
                low = rows[-1]["type_id"]
            elif high is None and last > 0:
                low, high = 0, last
            else:
                return found
        self._turns.reached(level, low)
        return found

    def _open(self, eligible: EligibleTypes, rows: list[Row]) -> list[Row]:
        """Those that can be claimed."""
        rows = [row for row in rows if row.get("is_open", True)]
        if not eligible.are_all:
            return self._count_running(rows).within_capacity(rows)
        return eligible.within_capacity([row for row in rows if row["type_id"] in eligible.open])

    def _step(self, low: int, high: int | None) -> list[Row]:
        condition, values = self._types.condition()
        until = "" if high is None else f" AND type_id <= {int(high)}"
        return self._connection.query(
            "SELECT tasks.id, type_id, urgency, max_running, rate_tasks, "
            f"is_paused = 0 AND {condition} AS is_open "
            f"FROM tasks {self._sql.by_index('tasks_claim_type')} "
            "LEFT JOIN task_types ON task_types.id = tasks.type_id "
            f"WHERE status = 'pending' AND type_id > {int(low)}{until} "
            f"ORDER BY type_id, urgency, tasks.id LIMIT {STEP}",
            values,
        )


class Turns:
    """Of which type the last task was taken, by priority, by claims with one filter."""

    def __init__(self, sql: Dialect, types: Filter) -> None:
        self._sql = sql
        condition, values = types.condition()
        key = crc32(json.dumps([condition, values], sort_keys=True).encode())
        self._prefix = f"{ROWS}{key:08x}."
        self._last: dict[int, int] = {}
        self._reached: dict[int, int] = {}

    @property
    def look(self) -> Statement:
        """Finds what ``found`` is to be told."""
        return (
            "SELECT name, value FROM settings WHERE name >= :first AND name < :last "
            f"LIMIT {MOST_ROWS}",
            {"first": self._prefix, "last": f"{self._prefix[:-1]}/"},
        )

    def found(self, rows: list[Row]) -> None:
        skipped = len(self._prefix)
        self._last = {int(row["name"][skipped:]): int(row["value"]) for row in rows}
        self._reached = {}

    def last(self, level: int) -> int:
        """The id of the type; 0 before the first turn."""
        return self._last.get(level, 0)

    def reached(self, level: int, type_id: int) -> None:
        """Nothing could be claimed up to this type: the next claim goes on from there."""
        self._reached[level] = type_id

    def sort(self, rows: list[Row]) -> list[Row]:
        """By priority; then the first task of each type, beginning with the one whose turn is next,
        then the second of each, and so on.
        """
        rows = sorted(rows, key=lambda row: (row["urgency"], row["id"]))
        places: dict[tuple[int, int], int] = {}
        keys = {}
        for row in rows:
            level, type_id = row["urgency"], row["type_id"]
            place = places[level, type_id] = places.get((level, type_id), 0) + 1
            keys[row["id"]] = (level, place, type_id <= self.last(level), type_id)
        return sorted(rows, key=lambda row: keys[row["id"]])

    def after(self, rows: list[Row], condition: str) -> list[Statement]:
        """What notes the turns when these are taken, in this order, if the condition holds."""
        statements: list[Statement] = []
        taken = {row["urgency"]: row["type_id"] for row in rows}
        for level, type_id in {**taken, **self._reached}.items():
            if self.last(level) == type_id:
                continue
            values = {"name": f"{self._prefix}{level}", "value": type_id}
            if level not in self._last:
                insert = (
                    "INSERT INTO settings (name, value) SELECT :name, :value "
                    f"FROM (SELECT 1 AS one) AS once WHERE {condition} "
                )
                statements.append((insert + self._sql.unless_there("settings.name"), values))
            update = f"UPDATE settings SET value = :value WHERE name = :name AND {condition}"
            statements.append((update, values))
        return statements


def _before_next(type_ids: list[int], after: int) -> int | None:
    """One less than the first of these ids that is above ``after``; None where there is none."""
    return next((each - 1 for each in type_ids if each > after), None)
