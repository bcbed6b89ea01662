"""Lists of tasks with filters, newest first: the operator path, through Flask-SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.tables import db
from app.queue.created_range import IdRange, narrowed
from app.queue.list_plan import ListFilter, ListPlan
from app.queue.list_scans import page
from app.queue.task_fields import STORED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.db.connection import Dialect
    from app.queue.access import Access
    from app.site import Site

    Rows = Sequence[Mapping[Any, Any]]

WAITING = ("pending", "scheduled")
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


def find(
    site: Site,
    filters: Mapping[str, Any],
    limit: int,
    offset: int = 0,
    access: Access | None = None,
) -> Rows:
    """The tasks that pass every filter given: ``status``, ``type`` (may hold ``%``), ``tag``,
    ``worker_id``, ``created_after``, ``created_before`` (stored times), ``before_id``, ``from_id``;
    or ``stored_statuses`` for ``status``, and of scheduled tasks only those that ``has_failed``.

    Raises a DatabaseError.
    """
    site.db.prepare()
    try:
        return TaskList(site.db.dialect, filters, access).read(limit, min(offset, MAX_ID - limit))
    except DBAPIError as error:
        db.session.remove()
        raise site.db.classify(error.orig) from error


def exactly(name: str) -> str:
    """A ``type`` filter for this type alone, whatever is in its name."""
    if "%" not in name:
        return name
    return name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class TaskList:
    """The tasks that pass some filters, of the types that ``access`` is for."""

    def __init__(
        self, sql: Dialect, filters: Mapping[str, Any], access: Access | None = None
    ) -> None:
        self._sql = sql
        self._filters = filters
        self._visible, self._own = ("", {}) if access is None else access.types()

    def read(self, limit: int, offset: int) -> Rows:
        """One page of them."""
        wanted = self._wanted()
        if wanted.types == [] or (wanted.has_worker and wanted.statuses == WAITING):
            return []  # a waiting task is nobody's
        ids = self._ids()
        plan = ListPlan(self._sql, self._query, wanted, ids)
        arms = plan.arms(limit + offset) if ids.first < ids.end else []
        if not arms:
            return []
        columns = ", ".join(f"tasks.{name}" for name in STORED_COLUMNS)
        return self._query(
            f"SELECT {columns}, task_types.name AS type "
            f"FROM ({page(self._sql, arms, plan.ids, limit, offset)}) AS page "
            f"{self._sql.then_join} tasks {self._sql.by_primary_key} ON tasks.id = page.id "
            f"{self._sql.then_join} task_types ON task_types.id = tasks.type_id "
            "ORDER BY page.id DESC"
        )

    def _wanted(self) -> ListFilter:
        has_worker = "worker_id" in self._filters
        statuses = self._statuses()
        residual = [
            f"t.created_at {comparison} {self._sql.timestamp(f':{name}')}"
            for name, comparison in (("created_after", ">"), ("created_before", "<"))
            if name in self._filters
        ]
        if "has_failed" in self._filters:
            comparison = ">" if self._filters["has_failed"] else "="
            residual.append(f"(t.status <> 'scheduled' OR t.attempts {comparison} t.releases)")
        if has_worker and statuses is None:
            residual.append("t.status NOT IN ('pending', 'scheduled')")
        return ListFilter(statuses, self._type_ids(), "tag" in self._filters, has_worker, residual)

    def _statuses(self) -> Sequence[str] | None:
        """Stored ones; None for all of them."""
        if "status" in self._filters:
            return STATUSES[self._filters["status"]]
        stored: Sequence[str] | None = self._filters.get("stored_statuses")
        return stored

    def _type_ids(self) -> list[int] | None:
        """None for all of them."""
        conditions = [self._visible] if self._own else []
        name = self._filters.get("type")
        if name is not None and name.strip("%"):
            conditions.append("name LIKE :type ESCAPE :escape" if "%" in name else "name = :type")
        if not conditions:
            return None
        condition = " AND ".join(conditions)
        return [row["id"] for row in self._query(f"SELECT id FROM task_types WHERE {condition}")]

    def _ids(self) -> IdRange:
        """The ids among which all of the tasks are."""
        first = self._filters.get("from_id", 0)
        end = min(self._filters.get("before_id", MAX_ID), MAX_ID)
        after, before = self._filters.get("created_after"), self._filters.get("created_before")
        if after is None and before is None:
            return IdRange(first, end)
        # In one SELECT together, SQLite would read the whole table.
        lowest, highest = "(SELECT MIN(id) FROM tasks)", "(SELECT MAX(id) FROM tasks)"
        (row,) = self._query(f"SELECT {lowest} AS lowest, {highest} AS highest")
        if row["lowest"] is None:
            return IdRange(0, 0)
        there = IdRange(max(first, row["lowest"]), min(end, row["highest"] + 1))
        return narrowed(there, self._query, self._sql.by_primary_key, after, before)

    def _query(self, sql: str) -> Rows:
        values = {**self._filters, **self._own, "escape": "\\"}
        return db.session.execute(text(sql), values).mappings().all()
