"""What the model's queue shows: tasks, their history, lists, types, workers, in the API's form."""

from __future__ import annotations

from typing import Any

from tests.model import limits
from tests.model.patterns import is_like
from tests.model.settling import endings
from tests.model.state import WAITING, Queue, Refused, Task, TaskType, Worker, shown_status
from tests.model.workers import DAY
from tests.support.stopped_clock import iso

TYPE_SETTINGS = (
    *("description", "max_attempts", "timeout", "retry_delay", "retry_max_delay", "priority"),
    *("max_running", "max_per_key", "rate", "retention", "retention_days", "dedupe"),
)
TOLD = ("host", "version", "task_types", "concurrency", "metadata")


def run_at(task: Task) -> str | None:
    return iso(task.due) if task.status == "scheduled" else None


def lease_expires_at(task: Task) -> str | None:
    return iso(task.due) if task.status == "claimed" else None


def whole(task: Task) -> dict[str, Any]:
    """As ``GET /tasks/{id}`` shows it."""
    is_waiting = task.status in WAITING
    return {
        "id": task.id,
        "type": task.type.name,
        "status": shown_status(task.status),
        "params": task.params,
        "result": task.result,
        "error_message": task.error,
        "error_traceback": task.traceback,
        "priority": task.priority,
        "progress": task.progress,
        "progress_message": task.progress_message,
        "attempts": task.attempts,
        "max_attempts": task.max_attempts,
        "releases": task.releases,
        "timeout": task.timeout,
        "claimed_by": None if is_waiting else task.claimed_by,
        "claimed_at": None if is_waiting else iso(task.claimed_at),
        "cancel_requested": task.cancel_requested,
        "lease_expires_at": lease_expires_at(task),
        "run_at": run_at(task),
        "completed_at": iso(task.completed_at),
        "created_at": iso(task.created_at),
        "dedupe_key": task.dedupe_key,
        "concurrency_key": task.concurrency_key,
        "waits_for": limits.waits_for(task),
        "tags": task.tags,
        "parent_id": task.parent_id,
        "traceparent": task.traceparent,
    }


def with_claim(task: Task) -> dict[str, Any]:
    names = (
        *("id", "type", "params", "attempts", "max_attempts", "priority", "created_at"),
        "traceparent",
    )
    shown = whole(task)
    kept = {name: shown[name] for name in names}
    return {**kept, "lease": task.lease / 1000, "lease_expires_at": lease_expires_at(task)}


def extended(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "lease": task.lease / 1000,
        "lease_expires_at": lease_expires_at(task),
        "cancel_requested": task.cancel_requested,
    }


def history(queue: Queue, task_id: int) -> list[dict[str, Any]]:
    return [
        {
            "status": shown_status(line.status),
            "worker_id": line.worker_id,
            "attempt": line.attempt,
            "message": line.message,
            "created_at": iso(line.at),
        }
        for line in queue.task(task_id).history
        if not line.is_hidden
    ]


def listed(queue: Queue, filters: dict[str, Any]) -> list[Task]:
    """All tasks that pass the filters, the newest first."""
    found = [
        task for task in queue.tasks.values() if queue.sees(task.type) and _passes(task, filters)
    ]
    return sorted(found, key=lambda task: -task.id)


def _passes(task: Task, filters: dict[str, Any]) -> bool:
    status, pattern = filters.get("status"), filters.get("type")
    status = "claimed" if status == "processing" else status
    worker = None if task.status in WAITING else task.claimed_by
    return (
        status in (None, shown_status(task.status))
        and (pattern is None or _is_type(task.type.name, pattern))
        and filters.get("tag") in (None, *task.tags)
        and filters.get("worker_id") in (None, worker)
        and filters.get("created_after", 0) < task.created_at
        and filters.get("created_before", task.created_at + 1) > task.created_at
        and filters.get("before_id", task.id + 1) > task.id
    )


def _is_type(name: str, pattern: str) -> bool:
    return is_like(name, pattern) if "%" in pattern else name == pattern


def task_type(type: TaskType) -> dict[str, Any]:
    """Without its times, which say when its row was written."""
    return {
        "id": type.id,
        "name": type.name,
        "version": type.version,
        "param_schema": {},
        "is_active": type.is_active,
        "is_paused": type.is_paused,
        **{name: type.settings.get(name) for name in TYPE_SETTINGS},
        "archived_at": None,
    }


def worker(queue: Queue, worker_id: str) -> dict[str, Any]:
    found = known(queue, worker_id)
    return {
        "id": found.id,
        **{name: found.told.get(name) for name in TOLD},
        "registered_at": iso(found.registered),
        "deregistered_at": iso(found.deregistered),
        "first_seen_at": iso(found.first_seen),
        "last_seen_at": iso(found.last_seen),
        "active_tasks": len(queue.held_by(worker_id)),
    }


def known(queue: Queue, worker_id: str) -> Worker:
    if worker_id not in queue.workers:
        raise Refused("not_found")
    return queue.workers[worker_id]


def worker_stats(queue: Queue, worker_id: str) -> dict[str, Any]:
    """How it did within the last day; ``mean_run_seconds`` is not rounded."""
    lately = queue.now - DAY
    lines = [line for task in queue.tasks.values() for line in task.history if line.at > lately]
    ended = [line for task in queue.tasks.values() for line in endings(task)]
    own = [line for line in ended if line.worker_id == worker_id and line.at > lately]
    done = [line for line in own if line.ended == "completed"]
    runs = [line.run / 1000 for line in own]
    return {
        "done": len(done),
        "failed": len(own) - len(done),
        "mean_run_seconds": sum(runs) / len(runs) if runs else None,
        "since": iso(min((line.at for line in lines), default=None)),
    }
