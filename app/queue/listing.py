"""Lists of tasks with filters, newest first: the operator path, through Flask-SQLAlchemy."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Callable

from sqlalchemy import Select, select
from sqlalchemy.exc import DBAPIError

from app.db.tables import Task, TaskType, db
from app.queue.task_fields import STORED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.site import Site

STATUSES = {
    "pending": ("pending", "scheduled"),
    "claimed": ("claimed",),
    "processing": ("claimed",),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
"""What may be asked for, and the stored statuses that it means."""

COMPARISONS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "created_after": (Task.created_at, operator.gt),
    "created_before": (Task.created_at, operator.lt),
    "before_id": (Task.id, operator.lt),
}


def find(
    site: Site, filters: Mapping[str, Any], limit: int, offset: int = 0
) -> Sequence[Mapping[Any, Any]]:
    """The tasks that pass every filter given: ``status``, ``type`` (may hold ``%``), ``tag``,
    ``worker_id``, ``created_after``, ``created_before`` (stored times), ``before_id``.

    Raises a DatabaseError.
    """
    site.db.prepare()
    try:
        return _find(filters, limit, offset)
    except DBAPIError as error:
        db.session.remove()
        raise site.db.classify(error.orig) from error


def _find(filters: Mapping[str, Any], limit: int, offset: int) -> Sequence[Mapping[Any, Any]]:
    columns = [Task.__table__.columns[name] for name in STORED_COLUMNS]
    query = select(*columns, TaskType.name.label("type")).join(
        TaskType, TaskType.id == Task.type_id
    )
    query = _filtered(query, filters).order_by(Task.id.desc()).limit(limit).offset(offset)
    return db.session.execute(query).mappings().all()


def _filtered(query: Select[Any], filters: Mapping[str, Any]) -> Select[Any]:
    for name, value in filters.items():
        query = query.where(_condition(name, value))
    return query


def _condition(name: str, value: Any) -> Any:
    if name == "status":
        return Task.status.in_(STATUSES[value])
    if name == "type":
        return Task.type_id.in_(_type_ids(value))
    if name == "worker_id":
        return (Task.claimed_by == value) & Task.status.not_in(STATUSES["pending"])
    if name == "tag":
        return Task.tags.contains(f"\n{value}\n", autoescape=True)
    column, comparison = COMPARISONS[name]
    return comparison(column, value)


def _type_ids(name: str) -> list[int]:
    exact = TaskType.name == name
    matches = TaskType.name.like(name, escape="\\") if "%" in name else exact
    return list(db.session.scalars(select(TaskType.id).where(matches)))
