"""Which pending tasks a claim may try for, in the order it asked for.

Every statement here reads one index in its order and stops early, however many tasks wait: no
sort, no scan of the table. A filter by type takes one index scan for each eligible type, and the
results are merged here; ``IN (…)`` with an ORDER BY would read every pending row in between.
"""

from __future__ import annotations

from app.db.connection import text_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement

ATTEMPTS_WINDOW = 1000
"""Ordering by attempts looks at this many of the most urgent tasks, shared among the
eligible types: no index serves it."""

SORT_KEYS = ("priority", "created_at", "id", "attempts")
SORT_ORDERS = ("asc", "desc")


def types_with_running(sql: Dialect, condition: str, lock: str = "") -> str:
    """Finds types, with how many tasks of a limited one run now. ``lock`` keeps these as they are
    until the transaction ends.
    """
    return (
        "SELECT id, name, is_paused, max_running, CASE WHEN max_running IS NULL THEN 0 ELSE "
        f"(SELECT COUNT(*) FROM tasks {sql.by_index('tasks_claim_type')} "
        f"WHERE tasks.status = 'claimed' AND tasks.type_id = task_types.id {lock}) END AS running "
        f"FROM task_types WHERE {condition}"
    )


class Filter:
    """Which types a claim asks for; a task must pass everything that is given."""

    def __init__(
        self,
        type_pattern: str | None = None,
        task_types: Sequence[str] | None = None,
        task_type_id: int | None = None,
    ) -> None:
        self.type_pattern = type_pattern
        self.task_types = task_types
        self.task_type_id = task_type_id

    @property
    def takes_all(self) -> bool:
        return self.type_pattern is None and self.task_types is None and self.task_type_id is None

    def unknown(self, found: Iterable[str]) -> list[str]:
        """Names that were asked for and are not types. Another filter may have hidden a type, so
        only a filter by names alone tells.
        """
        if self.task_types is None or self.type_pattern is not None or self.task_type_id:
            return []
        return sorted(set(self.task_types) - set(found))

    def statement(self, sql: Dialect) -> Statement:
        """Finds the types that the claim asks for."""
        conditions = ["1 = 1"]
        values: dict[str, Any] = {}
        if self.type_pattern is not None:
            conditions.append("name LIKE :pattern ESCAPE :escape")
            values.update(pattern=self.type_pattern, escape="\\")
        if self.task_types is not None:
            names, parameters = text_list("name", self.task_types)
            conditions.append(f"name IN ({names})")
            values.update(parameters)
        if self.task_type_id is not None:
            conditions.append("id = :type_id")
            values["type_id"] = self.task_type_id
        return types_with_running(sql, " AND ".join(conditions)), values


class EligibleTypes:
    """The types that a claim may take from now: paused and saturated ones are left out."""

    def __init__(self, types: list[Row], takes_all: bool) -> None:
        self.names = {row["id"]: row["name"] for row in types}
        self.capacity = {
            row["id"]: max(0, row["max_running"] - row["running"])
            for row in types
            if row["max_running"] is not None
        }
        self.open = [
            row["id"]
            for row in types
            if not row["is_paused"] and self.capacity.get(row["id"], 1) > 0
        ]
        self.everything = takes_all and len(self.open) == len(types) and not self.capacity

    def within_capacity(self, rows: list[Row]) -> list[Row]:
        """``rows`` without those for which a limited type has no capacity left."""
        left = dict(self.capacity)
        kept = []
        for row in rows:
            capacity = left.get(row["type_id"], 1)
            if capacity > 0:
                kept.append(row)
            if row["type_id"] in left:
                left[row["type_id"]] = capacity - 1
        return kept


class Order:
    """One of the orders in which tasks can be claimed."""

    def __init__(self, sort_by: str = "priority", sort_order: str | None = None) -> None:
        self.sort_by = sort_by
        default = "desc" if sort_by == "priority" else "asc"
        self.descending = (sort_order or default) == "desc"

    def find(self, connection: Connection, eligible: EligibleTypes, count: int) -> list[Row]:
        """The first ``count`` pending tasks, as ``id, type_id`` and more, in one round trip."""
        if not eligible.open:
            return []
        statements = list(self.statements(connection.dialect, eligible, count))
        rows = [row for result in connection.send(statements) for row in result.rows]
        key, reverse = self._sort_key()
        return eligible.within_capacity(sorted(rows, key=key, reverse=reverse))[:count]

    def statements(self, sql: Dialect, eligible: EligibleTypes, count: int) -> list[Statement]:
        """The index scans that find the candidates: one, or one for each eligible type."""
        if self.sort_by in ("id", "created_at"):
            return [self._by_creation(sql, each, count) for each in eligible.open]
        scans = 1 if eligible.everything else len(eligible.open)
        if self.sort_by == "attempts":
            count = max(count, ATTEMPTS_WINDOW // max(1, scans))
        if eligible.everything:
            return [self._index_scan(sql, "tasks_claim", "", count)]
        return [
            self._index_scan(sql, "tasks_claim_type", f" AND type_id = {int(each)}", count)
            for each in eligible.open
        ]

    def _index_scan(self, sql: Dialect, index: str, condition: str, count: int) -> Statement:
        backwards = self.sort_by == "priority" and not self.descending
        order = "urgency DESC, id DESC" if backwards else "urgency, id"
        attempts = ", attempts" if self.sort_by == "attempts" else ""
        return (
            f"SELECT id, type_id, urgency{attempts} FROM tasks {sql.by_index(index)} "
            f"WHERE status = 'pending'{condition} ORDER BY {order} LIMIT {count}",
            {},
        )

    def _by_creation(self, sql: Dialect, type_id: int, count: int) -> Statement:
        """Ids are given in the order of creation."""
        order = "id DESC" if self.descending else "id"
        return (
            f"SELECT id, type_id FROM tasks {sql.by_index('tasks_status')} "
            f"WHERE status = 'pending' AND type_id = {int(type_id)} ORDER BY {order} LIMIT {count}",
            {},
        )

    def _sort_key(self) -> tuple[Callable[[Row], Any], bool]:
        if self.sort_by in ("id", "created_at"):
            return (lambda row: row["id"]), self.descending
        if self.sort_by == "attempts":
            sign = -1 if self.descending else 1
            return (lambda row: (sign * row["attempts"], row["urgency"], row["id"])), False
        return (lambda row: (row["urgency"], row["id"])), not self.descending
