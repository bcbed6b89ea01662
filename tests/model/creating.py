"""The model of creating tasks: defaults of the type, deduplication."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.model import keys, limits
from tests.model.state import DEFAULT_ATTEMPTS, ENDED, Queue, Refused, Task, TaskType, milliseconds


class Created(NamedTuple):
    task: Task
    deduplicated: bool


def create(queue: Queue, wanted: Sequence[dict[str, Any]]) -> list[Created]:
    """All of these tasks or none, as the fields of a call say. New tasks have no id yet."""
    keys.check_types(queue, [each["type"] for each in wanted])
    types = [queue.type(each["type"]) for each in wanted]
    if not all(each.is_active for each in types):
        raise Refused("validation_failed")
    made: dict[tuple[str, str], Task] = {}
    return [_create(queue, type, each, made) for type, each in zip(types, wanted)]


def create_for(queue: Queue, wanted: Sequence[dict[str, Any]]) -> list[Created]:
    """The same for a schedule, whoever calls."""
    caller, queue.key = queue.key, None
    try:
        return create(queue, wanted)
    finally:
        queue.key = caller


def _create(
    queue: Queue, type: TaskType, wanted: dict[str, Any], made: dict[tuple[str, str], Task]
) -> Created:
    scope = _scope(type, wanted)
    key = None
    if scope is not False:
        key = wanted.get("dedupe_key") or computed_key(type.name, wanted["params"])
        if (type.name, key) in made:
            return Created(made[type.name, key], True)
        equal = _equal_task(queue, type, key)
        if equal and _counts(equal, scope, queue.now):
            return Created(equal, True)
        queue.give_up_key(type, key)
    task = _new(queue, type, wanted, key)
    if key is not None:
        made[type.name, key] = task
    return Created(task, False)


def _equal_task(queue: Queue, type: TaskType, key: str) -> Task | None:
    """The task that has the key, or had it when it was pruned."""
    used = queue.used_keys.get((type.name, key))
    return queue.holder_of_key(type, key) or (used and used.task)


def _scope(type: TaskType, wanted: dict[str, Any]) -> Any:
    """How long an equal task counts. A key of one's own counts where the type says false."""
    if wanted.get("dedupe") is not None:
        return wanted["dedupe"]
    scope = type.get("dedupe", "forever")
    return "forever" if scope is False and "dedupe_key" in wanted else scope


def _counts(holder: Task, scope: Any, now: int) -> bool:
    if scope == "forever":
        return True
    if scope == "active":
        return holder.status not in ENDED
    return now - holder.created_at < scope * 1000


def _new(queue: Queue, type: TaskType, wanted: dict[str, Any], key: str | None) -> Task:
    task = Task(
        type=type,
        params=wanted["params"],
        priority=wanted.get("priority", type.get("priority", 0)),
        max_attempts=wanted.get("max_attempts", type.get("max_attempts", DEFAULT_ATTEMPTS)),
        created_at=queue.now,
        tags=wanted.get("tags", []),
        timeout=wanted.get("timeout"),
        parent_id=wanted.get("parent_id"),
        traceparent=wanted.get("traceparent"),
        concurrency_key=wanted.get("concurrency_key"),
        dedupe_key=key,
    )
    later = queue.now + (milliseconds(wanted.get("delay")) or 0)
    if later > queue.now:
        task.status, task.due = "scheduled", later
    else:
        limits.make_ready(task)
    task.note(queue.now)
    return task


def computed_key(type: str, params: dict[str, Any]) -> str:
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{type}\n{text}".encode()).hexdigest()
