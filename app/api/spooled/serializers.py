"""What Spooled's clients are shown of a task."""

from __future__ import annotations

import math

from app.api import serializers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.config import Settings

    Row = Mapping[Any, Any]
    Shown = dict[str, Any]

STATUS = {"claimed": "processing", "failed": "deadletter"}


def claimed_job(row: Row, settings: Settings) -> Shown:
    task = serializers.task(row, ("type", "params", "lease_expires_at"))
    return {
        "id": str(row["id"]),
        "queue_name": task["type"],
        "payload": task["params"],
        "retry_count": row["attempts"] - row["releases"] - 1,
        "max_retries": _max_retries(row),
        "timeout_seconds": _timeout(settings, row["timeout"]),
        "lease_expires_at": task["lease_expires_at"],
        "lease_id": _lease_id(row),
    }


def job(row: Row, settings: Settings) -> Shown:
    task = serializers.task(row)
    return {
        "id": str(task["id"]),
        "organization_id": "default",
        "queue_name": task["type"],
        "status": _status(task),
        "payload": task["params"],
        "result": task["result"],
        "retry_count": _retries(task),
        "max_retries": _max_retries(task),
        "last_error": task["error_message"],
        "created_at": task["created_at"],
        "scheduled_at": task["run_at"],
        "started_at": task["claimed_at"],
        "completed_at": task["completed_at"],
        "priority": task["priority"],
        "tags": dict(_entry(each) for each in task["tags"]) or None,
        "timeout_seconds": _timeout(settings, task["timeout"]),
        "assigned_worker_id": task["claimed_by"],
        "lease_id": _lease_id(task) if task["status"] == "claimed" else None,
        "lease_expires_at": task["lease_expires_at"],
        "idempotency_key": task["dedupe_key"],
    }


def _lease_id(task: Row) -> str:
    """Stands for the task and one attempt of it."""
    return f"{task['id']}-{task['attempts']}"


def _status(task: dict[str, Any]) -> str:
    """Only what was delayed before its first attempt is ``scheduled``: a job that failed and waits
    for its next one is ``pending``.
    """
    if task["run_at"] and not _failed_attempts(task):
        return "scheduled"
    status: str = task["status"]
    return STATUS.get(status, status)


def _retries(task: dict[str, Any]) -> int:
    """The attempts that failed and were followed by another one, or will be: not the last one of a
    job that failed for good.
    """
    return min(_failed_attempts(task), _max_retries(task))


def _failed_attempts(task: dict[str, Any]) -> int:
    begun: int = task["attempts"] - task["releases"]
    runs_or_succeeded = task["status"] in ("claimed", "completed")
    return begun - runs_or_succeeded


def _max_retries(task: Mapping[str, Any]) -> int:
    """A release counts as an attempt and allows one more; here it is not counted as a retry."""
    most: int = task["max_attempts"] - task["releases"] - 1
    return most


def _entry(tag: str) -> tuple[str, str]:
    name, _, value = tag.partition("=")
    return name, value


def _timeout(settings: Settings, seconds: float | None) -> int:
    """Its workers stop a job after that, so it is told in whole seconds and never 0."""
    return max(1, math.ceil(settings.task_claim_timeout if seconds is None else seconds))
