"""A task as callers see it, from a row of the table."""

from __future__ import annotations

from app import json_text
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

COLUMNS = (
    "id",
    "type_id",
    "status",
    "urgency",
    "due_at",
    "attempts",
    "max_attempts",
    "releases",
    "timeout",
    "claimed_by",
    "claimed_at",
    "cancel_requested",
    "progress",
    "progress_message",
    "dedupe_key",
    "tags",
    "created_at",
    "completed_at",
    "params_json",
    "result_json",
    "error_message",
    "error_traceback",
)


def shown_status(status: str) -> str:
    """People know a scheduled task as a pending one with a ``run_at``."""
    return "pending" if status == "scheduled" else status


def task(row: Mapping[Any, Any], type_name: str) -> dict[str, Any]:
    """Everything about one task, as ``GET /api/tasks/{id}`` answers it."""
    waiting = row["status"] in ("pending", "scheduled")
    return {
        "id": row["id"],
        "type": type_name,
        "status": shown_status(row["status"]),
        "params": json_text.loads(row["params_json"]),
        "result": json_text.loads(row["result_json"]),
        "error_message": row["error_message"],
        "error_traceback": row["error_traceback"],
        "priority": -row["urgency"],
        "progress": row["progress"],
        "progress_message": row["progress_message"],
        "attempts": row["attempts"],
        "max_attempts": row["max_attempts"],
        "releases": row["releases"],
        "timeout": row["timeout"],
        # The table remembers who failed a task last, so that a repeated report is known again.
        "claimed_by": None if waiting else row["claimed_by"],
        "claimed_at": None if waiting else to_iso(row["claimed_at"]),
        "cancel_requested": bool(row["cancel_requested"]),
        "lease_expires_at": to_iso(row["due_at"]) if row["status"] == "claimed" else None,
        "run_at": to_iso(row["due_at"]) if row["status"] == "scheduled" else None,
        "completed_at": to_iso(row["completed_at"]),
        "created_at": to_iso(row["created_at"]),
        "dedupe_key": row["dedupe_key"],
        "tags": row["tags"].strip("\n").split("\n") if row["tags"] else [],
    }
