"""What Spooled's clients are shown of a task, a type, a worker."""

from __future__ import annotations

import math

from app.api import serializers
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.config import Settings

    Row = Mapping[Any, Any]
    Shown = dict[str, Any]

STATUS = {"claimed": "processing", "failed": "deadletter"}
OFFLINE_SECONDS = 120
"""A worker that was not seen for so long is not healthy: idle ones are seen each minute."""


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
        "parent_job_id": task["parent_id"] and str(task["parent_id"]),
    }


def job_summary(row: Row) -> Shown:
    """A job in a list. ``attempt`` is what some SDKs call its ``retry_count``."""
    task = serializers.task(row)
    job_type = task["params"].get("job_type")
    return {
        **_brief(task),
        "attempt": _retries(task),
        "priority": task["priority"],
        "max_retries": _max_retries(task),
        "job_type": job_type if isinstance(job_type, str) else "",
        "last_error": task["error_message"],
        "scheduled_at": task["run_at"],
        "started_at": task["claimed_at"],
    }


def job_status(row: Row) -> Shown:
    return _brief(serializers.task(row))


def _brief(task: dict[str, Any]) -> Shown:
    return {
        "id": str(task["id"]),
        "queue_name": task["type"],
        "status": _status(task),
        "retry_count": _retries(task),
        "created_at": task["created_at"],
        "completed_at": task["completed_at"],
    }


def job_event(task_id: int, position: int, row: Row) -> Shown:
    """A line of the history, which is the first one for what made the job."""
    kind = row["status"]
    if kind == "pending":
        kind = "requeued" if position else "created"
    return {
        "id": f"{task_id}-{position}",
        "job_id": str(task_id),
        "event_type": kind,
        "worker_id": row["worker_id"],
        "details": {"attempt": row["attempt"], "message": row["message"]},
        "created_at": to_iso(row["created_at"]),
    }


def queue_summary(row: Row, settings: Settings) -> Shown:
    """A queue in a list."""
    most = settings.max_task_attempts if row["max_attempts"] is None else row["max_attempts"]
    return {
        "queue_name": row["name"],
        "max_retries": most - 1,
        "default_timeout": _timeout(settings, row["timeout"]),
        "rate_limit": None,
        "enabled": bool(row["is_active"]) and not row["is_paused"],
    }


def queue(row: Row, settings: Settings) -> Shown:
    shown = serializers.task_type(row)
    return {
        "id": str(row["id"]),
        "organization_id": "default",
        **queue_summary(row, settings),
        "settings": {"paused": shown["is_paused"], "active": shown["is_active"]},
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }


RUN_STATUS = {
    "pending": "pending",
    "scheduled": "pending",
    "claimed": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


def schedule(row: Row, settings: Settings, run_count: int) -> Shown:
    """A schedule with an interval has no cron expression: it is shown as ``@every 60s``."""
    shown = serializers.schedule(row)
    most = shown["max_attempts"] or settings.max_task_attempts
    last = shown["last_run"]
    return {
        "id": str(row["id"]),
        "organization_id": "default",
        "name": shown["name"],
        "description": None,
        "cron_expression": shown["cron"] or f"@every {shown['every']:g}s",
        "timezone": shown["timezone"],
        "queue_name": shown["type"],
        "payload_template": shown["params"],
        "priority": shown["priority"] or 0,
        "max_retries": most - 1,
        "timeout_seconds": _timeout(settings, row["timeout"]),
        "is_active": not shown["paused"],
        "last_run_at": last and last["at"],
        "next_run_at": next(iter(shown["next_runs"]), None),
        "run_count": run_count,
        "tags": dict(_entry(each) for each in shown["tags"]) or None,
        "metadata": None,
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }


def schedule_run(schedule: Row, run: Row) -> Shown:
    """A job that has been deleted since counts as completed: how it ended is unknown."""
    is_made = run["task_id"] is not None
    status = RUN_STATUS.get(run["status"] or "completed") if is_made else "failed"
    return {
        "id": f"{schedule['id']}-{to_iso(run['due_at'])}",
        "schedule_id": str(schedule["id"]),
        "job_id": str(run["task_id"]) if is_made else None,
        "status": status,
        "error_message": run["error_message"] or (None if is_made else run["message"]),
        "started_at": to_iso(run["made_at"]),
        "completed_at": to_iso(run["completed_at"]),
    }


def schedule_trigger(task_id: int, run: Row) -> Shown:
    return {"job_id": str(task_id), "triggered_at": to_iso(run["made_at"])}


def worker_summary(row: Row) -> Shown:
    """A worker in a list. Nothing in it is null: SDKs count on that."""
    shown = serializers.worker(row)
    return {
        "id": shown["id"],
        "queue_name": next(iter(shown["task_types"] or ()), ""),
        "hostname": shown["host"] or "",
        "status": _worker_status(row),
        "current_jobs": shown["active_tasks"],
        "max_concurrency": shown["concurrency"] or 1,
        "last_heartbeat": shown["last_seen_at"],
        "jobs_processed": int(row["done"]),
        "jobs_failed": int(row["failed"]),
    }


def worker(row: Row) -> Shown:
    shown = serializers.worker(row)
    return {
        **worker_summary(row),
        "organization_id": "default",
        "queue_names": shown["task_types"] or [],
        "worker_type": None,
        "metadata": shown["metadata"] or {},
        "version": shown["version"],
        "registered_at": shown["registered_at"] or shown["first_seen_at"],
        "updated_at": shown["last_seen_at"],
    }


def _worker_status(row: Row) -> str:
    """One that is silent and still holds jobs may be busy with them."""
    if row["deregistered_at"]:
        return "offline"
    if row["silent_seconds"] <= OFFLINE_SECONDS:
        return "healthy"
    return "degraded" if row["active_tasks"] else "offline"


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
