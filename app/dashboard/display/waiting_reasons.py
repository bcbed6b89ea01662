"""Why a task waits, in sentences, and what to do about it."""

from __future__ import annotations

from app.queue.lanes import BLOCKED, READY, THROTTLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.queue.task_detail import TaskDetail

QUEUE_PAUSED = "queue paused"
PAUSED = "paused"
LIMIT = "limit"
KEY = "key"
RATE = "rate"
DELAY = "delay"
NO_WORKERS = "no workers"
DELETED = "deleted"
NEXT = "next"


def waiting_reasons(detail: TaskDetail) -> list[str]:
    """The kinds of reasons why a pending or scheduled task does not run, the weightiest first. The
    template words them.
    """
    status = detail.row["status"]
    if status not in (*READY, "scheduled"):
        return []
    task_type = detail.type_row
    reasons = [QUEUE_PAUSED] if detail.is_queue_paused else []
    if task_type is None or task_type["archived_at"] is not None:
        reasons.append(DELETED)
    elif task_type["is_paused"]:
        reasons.append(PAUSED)
    elif _is_saturated(detail):
        reasons.append(LIMIT)
    if status == "scheduled":
        reasons.append(DELAY)
    elif status == BLOCKED:
        reasons.append(KEY)
    elif status == THROTTLED:
        reasons.append(RATE)
    if not detail.has_workers:
        reasons.append(NO_WORKERS)
    return reasons or [NEXT]


def _is_saturated(detail: TaskDetail) -> bool:
    task_type = detail.type_row
    if task_type is None or task_type["max_running"] is None:
        return False
    return bool(task_type["running"] >= task_type["max_running"])
