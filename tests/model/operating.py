"""The model of what people do: types, and cancel, retry, delete of single tasks."""

from __future__ import annotations

import copy
from typing import Any

from tests.model import keys, limits
from tests.model.patterns import is_like
from tests.model.state import DEFAULT_ATTEMPTS, READY, UNFINISHED, Queue, Refused, Task, TaskType

FLAGS = {
    "activate": ("is_active", True),
    "deactivate": ("is_active", False),
    "pause": ("is_paused", True),
    "resume": ("is_paused", False),
}


def register(queue: Queue, name: str, version: str, settings: dict[str, Any]) -> TaskType:
    """A new type, or the known one brought up to date: what is not given stays."""
    keys.check_types(queue, [name])
    before = copy.deepcopy(queue.types.get(name))
    type = queue.types.setdefault(name, TaskType(name))
    type.version = version
    type.is_active = True
    type.settings.update(settings)
    if before is not None:
        limits.change(queue, type, before.settings)
    if before is None or not _is_same(before, type):
        keys.note(queue, "type.register", name)
    return type


def _is_same(before: TaskType, after: TaskType) -> bool:
    """A setting that is not given is the same as one that is null."""
    names = {*before.settings, *after.settings}
    same = all(before.settings.get(name) == after.settings.get(name) for name in names)
    return same and before.is_active == after.is_active


def set_flag(queue: Queue, name: str, verb: str) -> TaskType:
    type = queue.type(name)
    flag, value = FLAGS[verb]
    if getattr(type, flag) != value:
        setattr(type, flag, value)
        keys.note(queue, f"type.{verb}", name)
    return type


def pause(queue: Queue, paused: bool, pattern: str | None) -> int | None:
    """Of the whole queue, or of the types that match; how many do."""
    action = "queue.pause" if paused else "queue.resume"
    if pattern is None:
        if queue.key and queue.key.type_patterns is not None:
            raise Refused("forbidden")
        if paused != (queue.paused_at is not None):
            queue.paused_at = queue.now if paused else None
            keys.note(queue, action, None)
        return None
    types = [each for each in queue.types.values() if queue.sees(each)]
    matching = [each for each in types if is_like(each.name, pattern)]
    if any(each.is_paused != paused for each in matching):
        keys.note(queue, action, pattern)
    for each in matching:
        each.is_paused = paused
    return len(matching)


def cancel(queue: Queue, task_id: int) -> Task:
    task = queue.task(task_id)
    if task.status in ("completed", "failed"):
        raise Refused("conflict")
    if task.status == "cancelled" or task.cancel_requested:
        return task
    if task.status == "claimed":
        task.cancel_requested = True
    else:
        task.end("cancelled", queue.now)
        task.note(queue.now)
    keys.note(queue, "task.cancel", task_id)
    return task


def retry(queue: Queue, task_id: int, edit: dict[str, Any] | None = None) -> Task:
    """``edit`` is what the task is changed to before: params, priority, attempts from now on."""
    task = queue.task(task_id)
    if task.status in ("claimed", "completed"):
        raise Refused("conflict")
    if task.status in READY:
        if edit:
            _edit(task, edit)
            keys.note(queue, "task.edit", task_id)
        return task
    _take_key_back(queue, task)
    if task.status != "scheduled":
        task.max_attempts = task.attempts + task.type.get("max_attempts", DEFAULT_ATTEMPTS)
    _edit(task, edit or {})
    limits.make_ready(task)
    task.ready_at = queue.now
    task.due = task.completed_at = task.claimed_by = None
    task.note(queue.now, "retry")
    keys.note(queue, "task.retry", task_id)
    return task


def _edit(task: Task, edit: dict[str, Any]) -> None:
    """The dedupe key stays: it stands for what was asked for when the task was made."""
    task.params = edit.get("params", task.params)
    task.priority = edit.get("priority", task.priority)
    if "max_attempts" in edit:
        task.max_attempts = task.attempts + edit["max_attempts"]


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
    keys.note(queue, "task.delete", task_id)
    queue.remove(queue.tasks[task_id])
