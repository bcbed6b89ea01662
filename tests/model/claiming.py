"""The model of claiming: what is due is taken back, then the tasks that come first are taken."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.model import limits, workers
from tests.model.patterns import is_like
from tests.model.state import DEFAULT_LEASE, Claim, Queue, Range, Task, TaskType, milliseconds

LEASE_EXPIRED = "lease expired"


def claim(queue: Queue, worker_id: str, options: dict[str, Any]) -> list[Task]:
    """The tasks that a claim with these options gets."""
    queue.did_upkeep = True
    take_back_due(queue)
    limits.let_through(queue)
    key = options.get("claim_key")
    this = _claim(queue, worker_id, options)
    if key and options.get("again"):
        workers.make_known(queue, worker_id).repeated_claim = this
        before = _taken_before(queue, this)
        if before:
            workers.saw_idle(queue, worker_id)
            return before
    first = [] if queue.paused_at is not None else _first(queue, options)
    if first and key and not options.get("again") and _is_overtaken(queue, this):
        workers.saw_busy(queue, worker_id)
        return _taken_before(queue, this)
    for task in first:
        _take(queue, task, worker_id, options)
        if options.get("sort_by") == "fair":
            queue.fair_turns[_filter(queue, options), task.priority] = task.type.id
    (workers.saw_busy if first else workers.saw_idle)(queue, worker_id)
    return first


def _claim(queue: Queue, worker_id: str, options: dict[str, Any]) -> Claim:
    return worker_id, options.get("claim_key"), queue.key.id if queue.key else None


def _is_overtaken(queue: Queue, claim: Claim) -> bool:
    """Whether this claim was sent again already: then its first sending came late."""
    worker = queue.workers.get(claim[0])
    return worker is not None and worker.repeated_claim == claim


def take_back_due(queue: Queue) -> None:
    for task in queue.with_status("scheduled"):
        # A time that is not known yet is that of an attempt which failed just now.
        if not isinstance(task.due, Range) and task.due <= queue.now:
            _promote(queue, task)
    for task in queue.with_status("claimed"):
        if task.due <= queue.now:
            _expire(queue, task)


def _promote(queue: Queue, task: Task) -> None:
    task.ready_at, task.due = task.due, None
    limits.make_ready(task)
    task.note(queue.now, "promoted", is_hidden=True)


def _expire(queue: Queue, task: Task) -> None:
    worker = task.claimed_by
    task.claimed_by = None
    if task.cancel_requested:
        task.end("cancelled", queue.now)
    elif task.attempts < task.max_attempts:
        task.ready_at, task.due = queue.now, None
        limits.make_ready(task)
    else:
        task.end("failed", queue.now)
        task.error = LEASE_EXPIRED
    task.note(queue.now, LEASE_EXPIRED, worker)


def _taken_before(queue: Queue, claim: Claim) -> list[Task]:
    """What the same claim took when it was sent before: with new leases."""
    held = [task for task in queue.held_by(claim[0]) if task.claim == claim]
    for task in held:
        task.due = queue.now + task.lease
    return sorted(held, key=lambda task: (-task.priority, task.id))


def _first(queue: Queue, options: dict[str, Any]) -> list[Task]:
    """The tasks that come first, no more of a type than may run."""
    running = Counter(task.type.name for task in queue.with_status("claimed"))
    found: list[Task] = []
    waiting = [
        task
        for task in queue.with_status("pending")
        if queue.sees(task.type) and _is_eligible(task.type, options)
    ]
    for task in _in_order(waiting, options):
        most = task.type.get("max_running", float("inf"))
        if running[task.type.name] < most:
            found.append(task)
            running[task.type.name] += 1
    limit = options.get("limit", 1)
    if options.get("sort_by") == "fair":
        return _fair(queue, found, limit, _filter(queue, options))
    return found[:limit]


def _filter(queue: Queue, options: dict[str, Any]) -> str:
    """Claims with one filter, and keys for the same types, take turns with each other."""
    names = ("task_types", "type_pattern", "task_type_id")
    patterns = queue.key.type_patterns if queue.key else None
    return repr([*(options.get(name) for name in names), patterns])


def _fair(queue: Queue, tasks: list[Task], limit: int, filter: str) -> list[Task]:
    """Of the highest priority, one task of each type in turn, then one more of each. What a batch
    still has room for comes first in the strict order.
    """

    def in_turn(tasks: list[Task]) -> list[Task]:
        places: Counter[tuple[int, int]] = Counter()
        keys = {}
        for task in sorted(tasks, key=lambda task: task.id):
            places[task.priority, task.type.id] += 1
            place = places[task.priority, task.type.id]
            last = queue.fair_turns.get((filter, task.priority), 0)
            keys[task.id] = (-task.priority, place, task.type.id <= last, task.type.id)
        return sorted(tasks, key=lambda task: keys[task.id])

    first = in_turn([task for task in tasks if task.priority == tasks[0].priority])
    if len(first) >= limit:
        return first[:limit]
    return in_turn(tasks[:limit])


def _is_eligible(type: TaskType, options: dict[str, Any]) -> bool:
    names, pattern = options.get("task_types"), options.get("type_pattern")
    type_id = options.get("task_type_id")
    return (
        not type.is_paused
        and (names is None or type.name in names)
        and (pattern is None or is_like(type.name, pattern))
        and (type_id is None or type.id == type_id)
    )


def _in_order(tasks: list[Task], options: dict[str, Any]) -> list[Task]:
    by = options.get("sort_by", "priority")
    descends = options.get("sort_order", "desc" if by in ("priority", "fair") else "asc") == "desc"
    sign = -1 if descends else 1
    if by == "attempts":
        return sorted(tasks, key=lambda task: (sign * task.attempts, -task.priority, task.id))
    if by in ("priority", "fair"):
        # Backwards it is the same order read from its end.
        return sorted(tasks, key=lambda task: (sign * task.priority, -sign * task.id))
    return sorted(tasks, key=lambda task: sign * task.id)


def _take(queue: Queue, task: Task, worker_id: str, options: dict[str, Any]) -> None:
    given = (options.get("lease"), task.timeout, task.type.get("timeout"))
    lease = next((each for each in given if each is not None), DEFAULT_LEASE / 1000)
    task.status = "claimed"
    limits.count(queue, task.type)
    task.attempts += 1
    task.lease = milliseconds(lease)
    task.due = queue.now + task.lease
    task.claim = _claim(queue, worker_id, options)
    task.claimed_key = task.claim[2]
    task.claimed_by, task.claimed_at = worker_id, queue.now
    task.last_outcome = task.completed_at = task.progress = task.progress_message = None
    since = task.created_at if task.ready_at is None else task.ready_at
    waited = queue.now - since if isinstance(since, int) else Range(0, queue.now - since.low)
    task.note(queue.now, None, worker_id, waited=waited)
