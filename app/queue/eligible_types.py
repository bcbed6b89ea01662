"""Which types a claim may take from: those it asks for, without paused and saturated ones.

A site may have ten thousand types, so a claim never reads all of them. It reads the first few; if
there are more, only those whose tasks come first count.
"""

from __future__ import annotations

from app.db.connection import text_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement
    from app.queue.access import Access

FEW_TYPES = 32
"""So many types are looked at one by one; of more, a claim knows only those at the queue's head."""


class Filter:
    """Which types a claim asks for; a task must pass everything that is given. ``access`` is what
    the caller's API key allows.
    """

    def __init__(
        self,
        type_pattern: str | None = None,
        task_types: Sequence[str] | None = None,
        task_type_id: int | None = None,
        access: Access | None = None,
    ) -> None:
        self.type_pattern = type_pattern
        self.task_types = task_types
        self.task_type_id = task_type_id
        self.access = access

    def within(self, access: Access | None) -> Filter:
        """The same, of the types that a key is for."""
        return Filter(self.type_pattern, self.task_types, self.task_type_id, access)

    def unknown(self, types: Iterable[Row]) -> list[str]:
        """Names that were asked for and are not among ``types``, which ``statement`` found.
        Another filter may have hidden a type, so only a filter by names alone tells.
        """
        if self.task_types is None or self.type_pattern is not None or self.task_type_id:
            return []
        return sorted(set(self.task_types) - {row["name"] for row in types})

    def condition(self) -> Statement:
        """True of the types that are asked for."""
        conditions = ["1 = 1"]
        values: dict[str, Any] = {}
        if self.type_pattern is not None:
            conditions.append("task_types.name LIKE :pattern ESCAPE :escape")
            values.update(pattern=self.type_pattern, escape="\\")
        if self.task_types is not None:
            names, parameters = text_list("name", self.task_types)
            conditions.append(f"task_types.name IN ({names})")
            values.update(parameters)
        if self.task_type_id is not None:
            conditions.append("task_types.id = :type_id")
            values["type_id"] = self.task_type_id
        if self.access is not None and self.access.type_patterns is not None:
            visible, own = self.access.types()
            conditions.append(visible)
            values.update(own)
        return " AND ".join(conditions), values

    def statement(self, sql: Dialect) -> Statement:
        """Finds the types that are asked for: by names all of them, otherwise the first few that
        are not paused.
        """
        condition, values = self.condition()
        if self.task_types is not None:
            return types_with_running(sql, "task_types_name", condition), values
        if self.task_type_id is not None:
            return types_with_running(sql, None, condition), values
        few = types_with_running(sql, "task_types_open", f"is_paused = 0 AND {condition}")
        return f"{few} LIMIT {FEW_TYPES + 1}", values


class EligibleTypes:
    """Those of some types that a claim may take from now. ``are_all`` when no others match."""

    def __init__(self, types: list[Row]) -> None:
        self.are_all = len(types) <= FEW_TYPES
        self._capacity = {
            row["id"]: max(0, row["max_running"] - row["running"])
            for row in types
            if row["max_running"] is not None
        }
        self.saturated = sorted(each for each in self._capacity if self._capacity[each] == 0)
        self.open = {
            row["id"]: row
            for row in types
            if not row["is_paused"] and self._capacity.get(row["id"], 1) > 0
        }
        """By their ids."""

    def within_capacity(self, rows: list[Row]) -> list[Row]:
        """``rows`` without those for which a limited type has no capacity left."""
        left = dict(self._capacity)
        kept = []
        for row in rows:
            capacity = left.get(row["type_id"], 1)
            if capacity > 0:
                kept.append(row)
            if row["type_id"] in left:
                left[row["type_id"]] = capacity - 1
        return kept


def types_with_running(
    sql: Dialect, index: str | None, condition: str, lock: str = "", more: str = ""
) -> str:
    """Finds types by an index (None: by id), with how many tasks of a limited one run now.
    ``lock`` keeps these as they are until the transaction ends; ``more`` is a column to add.
    """
    by = sql.by_index(index) if index else sql.by_primary_key
    return (
        "SELECT id, name, is_paused, max_running, rate_tasks, "
        "CASE WHEN max_running IS NULL THEN 0 ELSE "
        f"(SELECT COUNT(*) FROM tasks {sql.by_index('tasks_claim_type')} "
        f"WHERE tasks.status = 'claimed' AND tasks.type_id = task_types.id {lock}) END AS running"
        f"{more} FROM task_types {by} WHERE {condition}"
    )


def limited(rows: list[Row]) -> list[int]:
    """The types of these tasks that have ``max_running``."""
    return sorted({row["type_id"] for row in rows if row["max_running"] is not None})
