"""The model of what people do: types, and cancel, retry, delete of single tasks."""

from __future__ import annotations

from typing import Any

from tests.model.state import DEFAULT_ATTEMPTS, UNFINISHED, Queue, Refused, Task, TaskType

FLAGS = {
    "activate": ("is_active", True),
    "deactivate": ("is_active", False),
    "pause": ("is_paused", True),
    "resume": ("is_paused", False),
}


def register(queue: Queue, name: str, version: str, settings: dict[str, Any]) -> TaskType:
    """A new type, or the known one brought up to date: what is not given stays."""
    type = queue.types.setdefault(name, TaskType(name))
    type.version = version
    type.is_active = True
    type.settings.update(settings)
    return type


def set_flag(queue: Queue, name: str, verb: str) -> TaskType:
    type = queue.type(name)
    setattr(type, *FLAGS[verb])
    return type


def cancel(queue: Queue, task_id: int) -> Task:
    task = queue.task(task_id)
    if task.status in ("completed", "failed"):
        raise Refused("conflict")
    if task.status == "claimed":
        task.cancel_requested = True
    elif task.status != "cancelled":
        task.end("cancelled", queue.now)
        task.note(queue.now)
    return task


def retry(queue: Queue, task_id: int) -> Task:
    task = queue.task(task_id)
    if task.status in ("claimed", "completed"):
        raise Refused("conflict")
    if task.status == "pending":
        return task
    _take_key_back(queue, task)
    if task.status != "scheduled":
        task.max_attempts = task.attempts + task.type.get("max_attempts", DEFAULT_ATTEMPTS)
    task.status, task.ready_at = "pending", queue.now
    task.due = task.completed_at = task.claimed_by = None
    task.note(queue.now, "retry")
    return task


def _take_key_back(queue: Queue, task: Task) -> None:
    key = task.former_dedupe_key
    if key is None:
        return
    holder = queue.holder_of_key(task.type, key)
    if holder and holder.status in UNFINISHED:
        raise Refused("conflict")
    queue.give_up_key(task.type, key)
    task.dedupe_key, task.former_dedupe_key = key, None


def delete(queue: Queue, task_id: int) -> None:
    if queue.task(task_id).status == "claimed":
        raise Refused("conflict")
    del queue.tasks[task_id]
    queue.deleted.append(task_id)
