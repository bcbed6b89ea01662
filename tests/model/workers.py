"""The model of workers: known once they registered or claimed, seen now and then."""

from __future__ import annotations

from typing import Any

from tests.model import keys
from tests.model.state import Queue, Refused, Worker

BUSY = 10_000
"""How old a worker's ``last_seen_at`` may get while it claims tasks, or keeps them."""
IDLE = 60_000
"""The same while it claims and gets nothing."""
DAY = 86_400_000


def make_known(queue: Queue, worker_id: str) -> Worker:
    new = Worker(worker_id, queue.now, queue.now)
    return queue.workers.setdefault(worker_id, new)


def saw(queue: Queue, worker_id: str) -> Worker:
    worker = make_known(queue, worker_id)
    worker.last_seen, worker.deregistered = queue.now, None
    return worker


def saw_busy(queue: Queue, worker_id: str) -> None:
    """It claimed something."""
    _saw_if_older(queue, worker_id, BUSY)


def saw_idle(queue: Queue, worker_id: str) -> None:
    """It claimed, and there was nothing."""
    _saw_if_older(queue, worker_id, IDLE)


def _saw_if_older(queue: Queue, worker_id: str, age: int) -> None:
    worker = queue.workers.get(worker_id)
    if not worker or worker.deregistered is not None or queue.now - worker.last_seen > age:
        saw(queue, worker_id)


def saw_heartbeat(queue: Queue, worker_id: str) -> None:
    """It keeps a task: that makes nobody known, and nobody come back."""
    worker = queue.workers.get(worker_id)
    if worker and queue.now - worker.last_seen > BUSY:
        worker.last_seen = queue.now


def register(queue: Queue, worker_id: str, told: dict[str, Any]) -> Worker:
    worker = saw(queue, worker_id)
    worker.registered, worker.told = queue.now, told
    return worker


def deregister(queue: Queue, worker_id: str, releases: bool) -> int:
    """How many tasks it gave back."""
    from tests.model.settling import Holder, Outcome, settle

    held = queue.held_by(worker_id) if releases else []
    if not all(keys.owns(queue, task) for task in held):
        raise Refused("not_owner")
    held = [task for task in held if queue.sees(task.type)]
    given_back = {"release": True}
    settle(queue, [Outcome(task.id, Holder(worker_id, None), given_back) for task in held])
    worker = queue.workers.get(worker_id)
    if worker and worker.deregistered is None:
        worker.deregistered = queue.now
    return len(held)
