"""The fields of a task: which column holds each, how it is stored, and how it is shown.

One list. The INSERT of a create, what is read of a task, and what the API shows of it come from it.
"""

from __future__ import annotations

from app import json_text
from app.queue.lanes import BLOCKED, HELD_BACK, READY, THROTTLED
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Row = Mapping[Any, Any]
    Show = Callable[[Row], Any]
    Store = Callable[[Any], Any]


class TaskField:
    """``column`` is what has to be read to show it. ``store`` makes the column's value of what a
    create gives; None where the field is not given, or where more than one column depends on it.
    """

    def __init__(
        self, name: str, column: str = "", show: Show | None = None, store: Store | None = None
    ) -> None:
        self.name = name
        self.column = column or name
        self.show: Show = show or (lambda row: row[self.column])
        self.store = store


def urgency_of(priority: int) -> int:
    """What a priority is stored as: with its sign turned, so that every order is ascending."""
    return -priority


def priority_of(urgency: int) -> int:
    return -urgency


def shown_status(status: str) -> str:
    """People know a scheduled task as a pending one with a ``run_at``, and one that a limit holds
    back as a pending one that ``waits_for`` something.
    """
    return "pending" if status == "scheduled" or status in HELD_BACK else status


def as_given(value: Any) -> Any:
    return value


def _tag_lines(tags: list[str] | None) -> str | None:
    """A tag a line, with a line break on either side of each: LIKE finds exactly one tag."""
    if not tags:
        return None
    lines = "\n".join(tags)
    return f"\n{lines}\n"


def _tags(row: Row) -> list[str]:
    lines: str | None = row["tags"]
    return lines.strip("\n").split("\n") if lines else []


def _is_waiting(row: Row) -> bool:
    return row["status"] in READY or row["status"] == "scheduled"


def _waits_for(row: Row) -> str | None:
    """What a task whose time has come is held back by, besides workers."""
    return {BLOCKED: "concurrency_key", THROTTLED: "rate"}.get(row["status"])


# The table remembers who failed a task last, so that a repeated report is known again.
def _claimed_by(row: Row) -> Any:
    return None if _is_waiting(row) else row["claimed_by"]


def _claimed_at(row: Row) -> Any:
    return None if _is_waiting(row) else to_iso(row["claimed_at"])


def _lease_expires_at(row: Row) -> Any:
    return to_iso(row["due_at"]) if row["status"] == "claimed" else None


def _run_at(row: Row) -> Any:
    return to_iso(row["due_at"]) if row["status"] == "scheduled" else None


def _json(column: str) -> Show:
    return lambda row: json_text.loads(row[column])


def _time(column: str) -> Show:
    return lambda row: to_iso(row[column])


FIELDS = (
    TaskField("id"),
    TaskField("type", "type"),
    TaskField("status", show=lambda row: shown_status(row["status"])),
    TaskField("params", "params_json", _json("params_json")),
    TaskField("result", "result_json", _json("result_json")),
    TaskField("error_message"),
    TaskField("error_traceback"),
    TaskField("priority", "urgency", lambda row: priority_of(row["urgency"])),
    TaskField("progress"),
    TaskField("progress_message"),
    TaskField("attempts"),
    TaskField("max_attempts"),
    TaskField("releases"),
    TaskField("timeout", store=as_given),
    TaskField("claimed_by", show=_claimed_by),
    TaskField("claimed_at", show=_claimed_at),
    TaskField("cancel_requested", show=lambda row: bool(row["cancel_requested"])),
    TaskField("lease_expires_at", "due_at", _lease_expires_at),
    TaskField("run_at", "due_at", _run_at),
    TaskField("completed_at", show=_time("completed_at")),
    TaskField("created_at", show=_time("created_at")),
    TaskField("dedupe_key"),
    TaskField("concurrency_key", store=as_given),
    TaskField("waits_for", "status", _waits_for),
    TaskField("tags", show=_tags, store=_tag_lines),
    TaskField("parent_id", store=as_given),
    TaskField("traceparent", store=as_given),
)
"""Everything about a task, in the order in which the API shows it."""

LEASE = TaskField("lease")
"""The lease of the claim that is on now: shown to its worker only."""

FIELD_OF = {field.name: field for field in (*FIELDS, LEASE)}

STORED_AS_GIVEN = tuple((field, field.store) for field in FIELDS if field.store is not None)
"""The fields that a create stores in one column each, with what makes the column's value."""

PENDING_SINCE = "COALESCE(ready_at, created_at)"
"""Since when a pending task has been pending."""

TYPE_NAME = "(SELECT task_types.name FROM task_types WHERE task_types.id = tasks.type_id) AS type"

STORED_COLUMNS = tuple(dict.fromkeys(field.column for field in FIELDS if field.name != "type"))

ALL_COLUMNS = ", ".join((*STORED_COLUMNS, "change_id", TYPE_NAME))
"""For calls about one task: what changes it reads it in the same round trip, and shows it whole."""

SHOWN_WITH_CLAIM = (
    "id",
    "type",
    "params",
    "attempts",
    "max_attempts",
    "priority",
    "lease",
    "lease_expires_at",
    "created_at",
    "traceparent",
)
"""What a worker gets with a task that it claimed."""
