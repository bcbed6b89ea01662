"""The model of the statistics: counts of tasks, the longest wait, what ended lately."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.model.state import HELD_BACK, Queue, Task, TaskType, told_status

STATUSES = ("pending", "scheduled", "claimed", "completed", "failed", "cancelled")
SECOND = 1000
SPANS = {"minute": (60, 0), "hour": (3600, 60), "day": (86_400, 900)}
"""The seconds of each span, and how many more what happened may go back."""


class Between(NamedTuple):
    """Equals every number from one to another."""

    low: float
    high: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, float)) and self.low <= other <= self.high

    __hash__ = None  # type: ignore[assignment]


class NoneOrBetween(Between):
    def __eq__(self, other: object) -> bool:
        return other is None or super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def stats(queue: Queue, type: TaskType | None) -> dict[str, Any]:
    """Without ``wait_seconds`` and ``run_seconds``."""
    shown = [task for task in queue.tasks.values() if queue.sees(task.type)]
    tasks = [task for task in shown if type in (None, task.type)]
    types = {task.type.name: task.type for task in tasks}
    if type:
        types[type.name] = type
    by_type = [
        {"type": name, **_counts([task for task in tasks if task.type is types[name]])}
        for name in sorted(types)
    ]
    working = [task for task in tasks if not task.type.is_paused and queue.paused_at is None]
    waits = [_wait(queue, task) for task in working]
    longest = max((wait for wait in waits if wait is not None), default=None)
    held_back = [task for task in working if task.status in HELD_BACK]
    return {
        "counts": _counts(tasks),
        "by_type": by_type,
        "paused": queue.paused_at is not None,
        "oldest_due_age": _oldest(queue, longest, held_back),
        **{end: _ended(queue, type, end) for end in ("completed", "failed")},
    }


def _counts(tasks: list[Task]) -> dict[str, int]:
    return {
        status: sum(told_status(task.status) == status for task in tasks) for status in STATUSES
    }


def _oldest(queue: Queue, longest: int | None, held_back: list[Task]) -> Any:
    """What a limit holds back may be let through by the next claim, and is due then."""
    at_most = max((queue.now - task.created_at for task in held_back), default=0)
    if not held_back or (longest or 0) >= at_most:
        return None if longest is None else _about(longest / SECOND)
    if longest is None:
        return NoneOrBetween(0, at_most / SECOND + 0.001)
    return Between(longest / SECOND - 0.001, at_most / SECOND + 0.001)


def _wait(queue: Queue, task: Task) -> int | None:
    """How long the task could have been claimed, or taken back first."""
    if task.status == "pending":
        return queue.now - (task.created_at if task.ready_at is None else task.ready_at)
    if task.status in ("scheduled", "claimed") and task.due <= queue.now:
        return queue.now - task.due
    return None


def _about(seconds: float) -> Between:
    return Between(seconds - 0.001, seconds + 0.001)


def _ended(queue: Queue, type: TaskType | None, status: str) -> dict[str, Any]:
    """How many tasks ended so; those that were deleted since count, but not in the last minute."""
    there = _endings(queue, queue.tasks.values(), type, status)
    gone = _endings(queue, queue.past, type, status)
    found: dict[str, Any] = {}
    for name, (seconds, slack) in SPANS.items():
        after = queue.now - seconds * SECOND
        ended = there if name == "minute" else there + gone
        low = sum(at > after for at in ended)
        found[name] = Between(low, sum(at > after - slack * SECOND for at in ended))
    return found


def _endings(queue: Queue, tasks: Any, type: TaskType | None, status: str) -> list[int]:
    return [
        line.at
        for task in tasks
        if type in (None, task.type) and queue.sees(task.type)
        for line in task.history
        if line.status == status
    ]
