"""The orders in which tasks can be claimed, each with the indexes that serve it.

Every statement here reads one index in its order and stops early, however many tasks wait.
Each row found says which task it is, and of which type: ``id, type_id, max_running, rate_tasks``.
"""

from __future__ import annotations

from app.db.connection import id_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Row, Statement
    from app.queue.eligible_types import Filter

ATTEMPTS_WINDOW = 1000
"""Ordering by attempts looks at this many of the most urgent tasks, shared among the
eligible types: no index serves it."""

LIMITS = ("max_running", "rate_tasks")
"""What a claim has to know of the types of its tasks."""

SORT_KEYS = ("priority", "created_at", "id", "attempts")
FAIR = "fair"
"""The order by priority, where types of one priority take turns: see ``fair_turns``."""
SORT_ORDERS = ("asc", "desc")


class Order:
    """One of the orders in which tasks can be claimed."""

    def __init__(self, sort_by: str = "priority", sort_order: str | None = None) -> None:
        self.sort_by = sort_by
        self.is_fair = sort_by == FAIR
        default = "desc" if sort_by in ("priority", FAIR) else "asc"
        self.descending = (sort_order or default) == "desc"
        self.by_attempts = sort_by == "attempts"
        # Ids are given in the order of creation.
        self._by_creation = sort_by in ("id", "created_at")
        # The highest priority is the lowest urgency.
        self._backwards = not self.by_attempts and self.descending == self._by_creation
        self._key = "" if self._by_creation else ", urgency"
        self._attempts = ", attempts" if self.by_attempts else ""

    @property
    def sorting(self) -> str:
        """Follows ORDER BY."""
        keys = ["tasks.id"] if self._by_creation else ["urgency", "tasks.id"]
        return self._directed(keys)

    def sort(self, rows: list[Row]) -> list[Row]:
        """Tasks from several statements, in this order."""
        if self.by_attempts:
            sign = -1 if self.descending else 1
            return sorted(rows, key=lambda row: (sign * row["attempts"], row["urgency"], row["id"]))
        if self._by_creation:
            return sorted(rows, key=lambda row: row["id"], reverse=self._backwards)
        return sorted(rows, key=lambda row: (row["urgency"], row["id"]), reverse=self._backwards)

    def head(self, sql: Dialect, types: Filter, count: int) -> Statement:
        """Finds the first tasks of the whole queue; ``is_open`` where the type is asked for and
        not paused.
        """
        condition, values = types.condition()
        return (
            f"SELECT tasks.id, type_id{self._key}{self._attempts}, max_running, rate_tasks, "
            f"is_paused = 0 AND {condition} AS is_open "
            f"FROM tasks {sql.by_index(self._index)} "
            "LEFT JOIN task_types ON task_types.id = tasks.type_id "
            f"WHERE status = 'pending' ORDER BY {self.sorting} LIMIT {count}",
            values,
        )

    def open_in_head(
        self, sql: Dialect, types: Filter, size: int, saturated: list[int], count: int
    ) -> Statement:
        """Finds the first open ones among the first ``size`` tasks of the queue, without those of
        saturated types.
        """
        head, values = self.head(sql, types, size)
        left_out = f" AND type_id NOT IN ({id_list(saturated)})" if saturated else ""
        return (
            f"SELECT * FROM ({head}) AS head WHERE is_open = 1{left_out} "
            f"ORDER BY {self.sorting.replace('tasks.', '')} LIMIT {count}",
            values,
        )

    def behind(self, sql: Dialect, position: int) -> Statement:
        """Finds a task when more than ``position`` wait."""
        return (
            f"SELECT tasks.id FROM tasks {sql.by_index(self._index)} "
            f"WHERE status = 'pending' ORDER BY {self.sorting} LIMIT 1 OFFSET {position}",
            {},
        )

    def of_types(self, sql: Dialect, types: dict[int, Row], count: int) -> Statement:
        """Finds the first tasks of each of these types, which stand with their ids. One statement:
        the answers to ten take 0.9 ms longer.
        """
        scans = []
        for type_id, row in types.items():
            limits = ", ".join(f"{_number(row[name])} AS {name}" for name in LIMITS)
            scans.append(
                f"SELECT * FROM (SELECT tasks.id, type_id{self._key}{self._attempts}, "
                f"{limits} {self._from_type(sql, str(int(type_id)))} "
                f"ORDER BY {self.sorting} LIMIT {count}) AS of_{int(type_id)}"
            )
        return " UNION ALL ".join(scans), {}

    def first_of_type(self, sql: Dialect) -> str:
        """Finds the id of the first task of a type."""
        # Only if the type is named too does MySQL read the index in its order here, and only
        # without the status MariaDB.
        sorting = f"{self._directed(['type_id'])}, {self.sorting}"
        return f"SELECT tasks.id {self._from_type(sql, 'task_types.id')} ORDER BY {sorting} LIMIT 1"

    def _from_type(self, sql: Dialect, type_id: str) -> str:
        index = "tasks_status" if self._by_creation else "tasks_claim_type"
        return f"FROM tasks {sql.by_index(index)} WHERE status = 'pending' AND type_id = {type_id}"

    def _directed(self, keys: list[str]) -> str:
        return ", ".join(f"{key} DESC" if self._backwards else key for key in keys)

    @property
    def _index(self) -> str:
        return "tasks_created" if self._by_creation else "tasks_claim"


def _number(value: int | None) -> str:
    return "NULL" if value is None else str(int(value))
