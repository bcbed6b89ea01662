"""The model of pruning: what may be deleted, and what a deleted task leaves behind.

When something is pruned is up to the queue. So the model takes over what was, if it may have been:
not a moment before its time, and only in a call that does upkeep.
"""

from __future__ import annotations

from tests.model.rows import Rows
from tests.model.state import ENDED, Queue, Task, UsedKey

DAY = 86_400_000
LEAST = 600_000
"""Whatever a type says: a worker may send its outcome again so long."""

TASK_DAYS: dict[str, float | None] = {
    "completed": 30,
    "failed": 90,
    "cancelled": 30,
    "result": None,
}
WORKER_DAYS = 30


def keeps(task: Task, kind: str) -> int | None:
    """How long after its end the task, or its result, is kept; None means for ever."""
    days = TASK_DAYS[kind]
    if kind != "result" and task.type.settings.get("retention_days") is not None:
        days = task.type.settings["retention_days"]
    own = task.type.settings.get("retention") or {}
    days = own.get(kind, days)
    return None if days is None else max(round(days * DAY), LEAST)


def is_over(queue: Queue, task: Task) -> bool:
    return task.status in ENDED and _has_been_kept(queue, task, task.status)


def result_is_over(queue: Queue, task: Task) -> bool:
    has_result = task.status == "completed" and task.has_result
    return has_result and _has_been_kept(queue, task, "result")


def _has_been_kept(queue: Queue, task: Task, kind: str) -> bool:
    span = keeps(task, kind)
    return span is not None and queue.now - task.completed_at >= span


def take_over(queue: Queue, rows: Rows) -> None:
    """Delete from the model what was pruned and may have been."""
    if not queue.did_upkeep:
        return
    for task in list(queue.tasks.values()):
        row = rows.tasks.get(task.id)
        if row is None and is_over(queue, task):
            prune(queue, task)
        elif row is not None and row["result_json"] is None and result_is_over(queue, task):
            task.result, task.has_result = None, False
    for worker in list(queue.workers.values()):
        away = queue.now - worker.last_seen > WORKER_DAYS * DAY
        if worker.id not in rows.workers and away and not queue.held_by(worker.id):
            del queue.workers[worker.id]
    for name, (_, _, at) in list(queue.idempotency_keys.items()):
        if name not in rows.idempotency_keys and queue.now - at >= DAY:
            del queue.idempotency_keys[name]


def prune(queue: Queue, task: Task) -> None:
    """Its key goes on counting."""
    queue.remove(task)
    if task.dedupe_key is not None:
        queue.used_keys[task.type.name, task.dedupe_key] = UsedKey(task, queue.now)


def left_over(queue: Queue) -> list[int]:
    """The tasks that pruning everything must not leave."""
    tasks = queue.tasks.values()
    return [task.id for task in tasks if is_over(queue, task) or result_is_over(queue, task)]
