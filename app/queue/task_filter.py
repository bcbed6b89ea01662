"""The tasks that pass some filters: the same ones for lists and for what is done to many."""

from __future__ import annotations

import time

from app.db.connection import id_list
from app.queue import list_count
from app.queue.created_range import IdRange, narrowed
from app.queue.lanes import READY
from app.queue.list_plan import ListFilter, ListPlan
from app.queue.list_scans import (
    OLDEST_FIRST,
    of_error_group,
    of_tag,
    of_waiting_again,
    of_worker,
    page,
)
from app.queue.task_action import status_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from app.db.connection import Dialect
    from app.queue.access import Access
    from app.queue.list_count import Count
    from app.queue.list_scans import IndexScan
    from app.site import Site

    Rows = Sequence[Mapping[Any, Any]]
    Query = Callable[[str, Mapping[str, Any]], Rows]

WAITING = (*READY, "scheduled")
STATUSES = {
    "pending": WAITING,
    "claimed": ("claimed",),
    "processing": ("claimed",),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
"""What may be asked for, and the stored statuses that it means."""

MAX_ID = 2**63 - 1


class TaskFilter:
    """``filters`` are ``status``, ``type`` (may hold ``%``), ``tag``, ``worker_id``,
    ``error_group`` (tasks that are failed now), ``created_after``, ``created_before`` (stored
    times), ``before_id``, ``from_id``; or ``stored_statuses`` for ``status``, and of scheduled
    tasks only those that ``has_failed``. A task must pass each that is given, and be of a type that
    ``access`` is for. ``query`` returns the rows of a statement and its values.

    ``statuses`` are the stored ones that tasks may have, None for all of them; ``conditions`` what
    they must pass besides, as SQL about ``t``.
    """

    def __init__(
        self,
        sql: Dialect,
        query: Query,
        filters: Mapping[str, Any],
        access: Access | None = None,
        statuses: Sequence[str] | None = None,
        conditions: Sequence[str] = (),
    ) -> None:
        self._sql = sql
        self._run_query = query
        self._filters = filters
        self._visible, self._own = ("", {}) if access is None else access.types()
        self.statuses = self._both(statuses)
        self._wanted = self._list_filter(conditions)
        self._known_ids: IdRange | None = None

    @property
    def _ids(self) -> IdRange:
        """Those among which all of the tasks are. Looked up when they are first needed."""
        if self._known_ids is None:
            self._known_ids = IdRange(0, 0) if self._is_empty() else self._id_range()
        return self._known_ids

    @property
    def types(self) -> Sequence[int] | None:
        """The ids of the types that tasks may have, None for all of them."""
        return self._wanted.types

    def page(self, limit: int, offset: int = 0, before_id: int = MAX_ID) -> str | None:
        """SQL that finds the ids of one page, the highest first; None if no task can be on it."""
        plan, arms = self._plan(limit + offset, before_id)
        return page(self._sql, arms, plan.ids, limit, offset) if arms else None

    def ids(self, limit: int, before_id: int = MAX_ID) -> list[int]:
        """The highest ids below ``before_id``."""
        found = self.page(limit, before_id=before_id)
        return [row["id"] for row in self.query(found)] if found else []

    def ids_above(self, limit: int, task_id: int) -> list[int]:
        """The lowest ids above this one, the highest of them first: of the page before one that
        begins with it.
        """
        ids = IdRange(max(self._ids.first, task_id + 1), self._ids.end)
        plan = ListPlan(self._sql, self.query, self._wanted, ids)
        arms = plan.arms(None) if ids.first < ids.end else []
        if not arms:
            return []
        found = page(self._sql, arms, ids, limit, 0, OLDEST_FIRST)
        return [row["id"] for row in self.query(found)][::-1]

    def count(self, most: int, before_id: int = MAX_ID, time_share: float = 1.0) -> Count:
        """How many tasks below ``before_id`` there are, as far as they are counted quickly:
        ``time_share`` is the share of the usual time that this may take.
        """
        ends_at = time.monotonic() + list_count.COUNT_SECONDS * time_share
        plan, arms = self._plan(most + 1, before_id)
        return list_count.ListCount(self._sql, self.query, arms, plan.ids, ends_at).run(most)

    def passing(self, ids: Iterable[int]) -> list[int]:
        """Those of these few ids whose tasks pass."""
        wanted = self._wanted
        conditions = [
            f"t.id IN ({id_list(ids)})",
            f"t.id >= {self._ids.first} AND t.id < {self._ids.end}",
            *wanted.residual,
        ]
        if wanted.statuses is not None:
            conditions.append(status_in(wanted.statuses, "t.status"))
        if wanted.types is not None:
            conditions.append(f"t.type_id IN ({id_list(wanted.types)})")
        if "worker_id" in self._filters:
            conditions.append("t.claimed_by = :worker_id")
        for table, column in (("task_tags", "tag"), ("task_errors", "error_group")):
            if column in self._filters:
                conditions.append(
                    f"EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = :{column} "
                    f"AND {table}.task_id = t.id)"
                )
        sql = f"SELECT t.id FROM tasks AS t {self._sql.by_primary_key} WHERE "
        return [row["id"] for row in self.query(sql + " AND ".join(conditions))]

    def query(self, sql: str, **values: Any) -> Rows:
        """The rows of a statement that may name the filters' values."""
        return self._run_query(sql, {**self._filters, **self._own, "escape": "\\", **values})

    def _plan(self, depth: int, before_id: int) -> tuple[ListPlan, list[Any]]:
        ids = IdRange(self._ids.first, min(self._ids.end, before_id))
        plan = ListPlan(self._sql, self.query, self._wanted, ids)
        return plan, plan.arms(depth) if ids.first < ids.end else []

    def _both(self, statuses: Sequence[str] | None) -> Sequence[str] | None:
        """The stored statuses that the filters and ``statuses`` let through."""
        both = statuses
        asked = self._filters.get("stored_statuses")
        if "status" in self._filters:
            asked = STATUSES[self._filters["status"]]
        if asked is not None:
            both = [each for each in asked if statuses is None or each in statuses]
        if both is not None and "worker_id" in self._filters:
            both = [each for each in both if each not in WAITING]  # a waiting task is nobody's
        if "error_group" in self._filters:
            both = [each for each in ("failed",) if both is None or each in both]
        return both

    def _list_filter(self, conditions: Sequence[str]) -> ListFilter:
        has_worker = "worker_id" in self._filters
        residual = [
            f"t.created_at {comparison} {self._sql.timestamp(f':{name}')}"
            for name, comparison in (("created_after", ">"), ("created_before", "<"))
            if name in self._filters
        ]
        if "has_failed" in self._filters:
            comparison = ">" if self._filters["has_failed"] else "="
            residual.append(f"(t.status <> 'scheduled' OR t.attempts {comparison} t.releases)")
        if has_worker and self.statuses is None:
            residual.append(f"NOT {status_in(WAITING, 't.status')}")
        residual += conditions
        types = None if self.statuses == [] else self._type_ids()
        return ListFilter(self.statuses, types, self._scans(), residual)

    def _scans(self) -> list[IndexScan]:
        own = {"tag": of_tag, "worker_id": of_worker, "error_group": of_error_group}
        scans = [scan() for name, scan in own.items() if name in self._filters]
        if self._filters.get("has_failed") and self.statuses == ["scheduled"]:
            scans.append(of_waiting_again())
        return scans

    def _is_empty(self) -> bool:
        return self.statuses == [] or self._wanted.types == []

    def _type_ids(self) -> list[int] | None:
        """None for all of them."""
        conditions = [self._visible] if self._own else []
        name = self._filters.get("type")
        if name is not None and name.strip("%"):
            conditions.append("name LIKE :type ESCAPE :escape" if "%" in name else "name = :type")
        if not conditions:
            return None
        condition = " AND ".join(conditions)
        return [row["id"] for row in self.query(f"SELECT id FROM task_types WHERE {condition}")]

    def _id_range(self) -> IdRange:
        first = self._filters.get("from_id", 0)
        end = min(self._filters.get("before_id", MAX_ID), MAX_ID)
        after, before = self._filters.get("created_after"), self._filters.get("created_before")
        if after is None and before is None:
            return IdRange(first, end)
        # In one SELECT together, SQLite would read the whole table.
        lowest, highest = "(SELECT MIN(id) FROM tasks)", "(SELECT MAX(id) FROM tasks)"
        (row,) = self.query(f"SELECT {lowest} AS lowest, {highest} AS highest")
        if row["lowest"] is None:
            return IdRange(0, 0)
        there = IdRange(max(first, row["lowest"]), min(end, row["highest"] + 1))
        return narrowed(there, self.query, self._sql.by_primary_key, after, before)


def query_of(site: Site) -> Query:
    """Runs each statement by itself: a list is planned with several and read with one, so that
    none of them keeps others waiting, and one that fails is sent again without the others.
    """
    return lambda sql, values: site.db.run(lambda connection: connection.query(sql, dict(values)))
