"""The model of concurrency keys and rates: which of the tasks whose time has come are held back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.model.state import READY, Queue, Range, Task, TaskType

SETTINGS = ("rate", "max_per_key")


def make_ready(task: Task) -> None:
    """Its time has come: it waits for its key, then for its type's rate, then for a worker."""
    type = task.type
    if type.get("max_per_key") and task.concurrency_key:
        task.status = "blocked"
    else:
        task.status = "throttled" if type.get("rate") else "pending"


def change(queue: Queue, type: TaskType, before: dict[str, Any]) -> None:
    """With other limits, all that wait begin from the start."""
    if any(type.settings.get(name) != before.get(name) for name in SETTINGS):
        for task in _of(queue, type, READY):
            make_ready(task)


def let_through(queue: Queue) -> None:
    """What each claim does first: those that come first go through, as many as may."""
    for type in queue.types.values():
        if type.get("max_per_key"):
            _by_key(queue, type)
        if type.get("rate"):
            _by_rate(queue, type)


def _by_key(queue: Queue, type: TaskType) -> None:
    for key in {task.concurrency_key for task in _of(queue, type, READY)} - {None}:
        tasks = [task for task in queue.tasks.values() if task.type is type]
        own = [task for task in tasks if task.concurrency_key == key]
        free = type.get("max_per_key") - sum(task.status == "claimed" for task in own)
        waiting = _in_order(task for task in own if task.status in READY)
        for position, task in enumerate(waiting):
            if position >= free:
                task.status = "blocked"
            elif task.status == "blocked":
                _go_on(queue, task, "throttled" if type.get("rate") else "pending")


def _by_rate(queue: Queue, type: TaskType) -> None:
    waiting = _in_order(_of(queue, type, ("throttled", "pending")))
    free = type.get("rate")["tasks"] - used(queue, type)
    for position, task in enumerate(waiting):
        if position >= free:
            task.status = "throttled"
        elif task.status == "throttled":
            _go_on(queue, task, "pending")


def _go_on(queue: Queue, task: Task, status: str) -> None:
    """Since when it could have, the queue alone can tell."""
    since = task.created_at if task.ready_at is None else task.ready_at
    low = since.low if isinstance(since, Range) else since
    task.status, task.ready_at = status, Range(low, queue.now)


def used(queue: Queue, type: TaskType) -> int:
    """How many claims count against the rate."""
    since = queue.now - round(type.get("rate")["seconds"] * 1000)
    return sum(at > since for at in queue.rate_claims.get(type.name, ()))


def count(queue: Queue, type: TaskType) -> None:
    """A task of the type is claimed."""
    if type.get("rate"):
        queue.rate_claims.setdefault(type.name, []).append(queue.now)


def waits_for(task: Task) -> str | None:
    return {"blocked": "concurrency_key", "throttled": "rate"}.get(task.status)


def _of(queue: Queue, type: TaskType, statuses: Iterable[str]) -> list[Task]:
    return [task for task in queue.with_status(*statuses) if task.type is type]


def _in_order(tasks: Iterable[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: (-task.priority, task.id))
