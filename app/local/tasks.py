"""The tasks of this run: added in batches, and read again once the worker has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from app.local.console import counted
from app.local.workload import Task, Workload
from worker import Client

TASKS_PER_CALL = 500
BYTES_PER_CALL = 500_000  # the server takes 1 MiB
FINISHED = ("completed", "failed", "cancelled")
SHOWN = ("id", "type", "params", "status", "result", "error_message")

MISSING: Task = {"status": "missing", "result": None, "error_message": "the server lost it"}


class TaskRun:
    """The tasks that were added, in order, and what is known of them."""

    def __init__(self, workload: Workload, client: Client) -> None:
        self._workload = workload
        self._client = client
        self._tasks: dict[int, Task] = {}
        self.ids: list[int] = []

    def add(self) -> str:
        """Add every task of the workload."""
        # A task that an interrupted run left is found again; a finished one is added once more.
        tasks = ({**task, "dedupe": "active"} for task in self._workload.tasks())
        for batch in _batches(tasks):
            self.ids += [task["id"] for task in self._client.create_many(batch)]
        return f"added {counted(len(self.ids), 'task')}"

    def read(self) -> None:
        """Read the tasks that were not finished when they were last read."""
        wanted = {i for i in self.ids if not self._is_finished(i)}
        if not wanted:
            return
        newest_first = self._client.list(type=self._workload.type_filter, before_id=max(wanted) + 1)
        for task in newest_first:
            if task["id"] in wanted:
                self._tasks[task["id"]] = _summary(task)
                wanted.remove(task["id"])
            if not wanted:
                return

    def in_order(self) -> list[Task]:
        """All of them, as they were added."""
        return [self._tasks.get(task_id, MISSING) for task_id in self.ids]

    def number_completed(self) -> int:
        """How many are completed."""
        return sum(task["status"] == "completed" for task in self.in_order())

    def unfinished(self) -> list[Task]:
        """Those that may still be run."""
        return [task for i, task in self._tasks.items() if not self._is_finished(i)]

    def seconds_to_wait(self) -> float | None:
        """How long until a task can be tried again; None when waiting would not help."""
        times = [_timestamp(task["ready_at"]) for task in self.unfinished() if task["ready_at"]]
        return max(min(times) - time.time(), 0.0) + 0.5 if times else None

    def _is_finished(self, task_id: int) -> bool:
        return self._tasks.get(task_id, MISSING)["status"] in FINISHED


def _summary(task: Task) -> Task:
    """What is needed of a task here: a large folder has many."""
    ready_at = task["lease_expires_at"] if task["status"] == "claimed" else task["run_at"]
    return {**{name: task[name] for name in SHOWN}, "ready_at": ready_at}


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """The tasks in lists that the server takes in one call, in order."""
    batch: list[Task] = []
    size = 0
    for task in tasks:
        length = len(json.dumps(task)) + 2
        if batch and (len(batch) == TASKS_PER_CALL or size + length > BYTES_PER_CALL):
            yield batch
            batch, size = [], 0
        batch.append(task)
        size += length
    if batch:
        yield batch
