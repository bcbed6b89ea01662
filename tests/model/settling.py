"""The model of what workers send about tasks they hold: outcomes, heartbeats, progress.

Each call names a task, and who holds it: a worker, an attempt, both or neither. A call that is
sent again gets the same response.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.model import keys, limits, workers
from tests.model.state import (
    DEFAULT_RETRY_DELAY,
    DEFAULT_RETRY_MAX_DELAY,
    HistoryLine,
    Queue,
    Range,
    Refused,
    Task,
    milliseconds,
    shown_status,
)
from tests.support.stopped_clock import iso

JITTER = 0.1
ROUNDING = 2


class Holder(NamedTuple):
    """Who a call says has the task."""

    worker_id: str | None
    attempt: int | None

    def holds(self, task: Task) -> bool:
        return (
            task.status == "claimed"
            and self.worker_id in (None, task.claimed_by)
            and self.attempt in (None, task.attempts)
        )

    def was(self, worker_id: str | None, attempt: int) -> bool:
        """Whether this was the holder of that attempt; somebody without a name was none."""
        return (
            self != (None, None)
            and worker_id is not None
            and self.worker_id in (None, worker_id)
            and self.attempt in (None, attempt)
        )

    def refusal(self, task: Task) -> Refused:
        if task.status != "claimed":
            return Refused("not_claimed")
        if self.attempt is not None and self.attempt != task.attempts:
            return Refused("lease_lost")
        return Refused("not_owner")


class Outcome(NamedTuple):
    """What a call says of one attempt: ``said`` are the fields of a settle."""

    task_id: int
    holder: Holder
    said: dict[str, Any]

    @property
    def kind(self) -> str:
        if self.said.get("release"):
            return "released"
        return "completed" if self.said.get("success", True) else "failed"


class SettleResult:
    """An accepted outcome, as it is shown: what the task was right after it. ``status`` is what an
    earlier one came to, where the task has gone on since.
    """

    def __init__(self, task: Task, kind: str, status: str | None = None) -> None:
        self.task = task
        self.kind = kind
        self.status = status or shown_status(task.status)
        self._due = task.due if status is None and task.status == "scheduled" else None

    def shown(self) -> dict[str, Any]:
        # A random time is known by now, and so far ahead that nothing else has happened since.
        run_at = iso(self.task.due if isinstance(self._due, Range) else self._due)
        shown: dict[str, Any] = {"id": self.task.id, "status": self.status}
        if self.kind == "failed":
            shown.update(will_retry=self.status == "pending", run_at=run_at)
        if self.kind == "released":
            shown.update(run_at=run_at)
        return shown


def settle(queue: Queue, outcomes: Sequence[Outcome]) -> list[SettleResult | Refused]:
    """All of these, one after another; each is accepted or refused on its own. What did not change
    its task is judged by what the tasks are in the end.
    """
    changed = [_change(queue, outcome) for outcome in outcomes]
    return [
        SettleResult(queue.tasks[outcome.task_id], outcome.kind)
        if is_done
        else _judge(queue, outcome)
        for outcome, is_done in zip(outcomes, changed)
    ]


def _change(queue: Queue, outcome: Outcome) -> bool:
    task = queue.visible(outcome.task_id)
    if task is None or not outcome.holder.holds(task) or not keys.owns(queue, task):
        return False
    change = {"completed": _complete, "failed": _fail, "released": _release}[outcome.kind]
    change(queue, task, outcome.said)
    task.last_outcome = outcome.kind
    return True


def _judge(queue: Queue, outcome: Outcome) -> SettleResult | Refused:
    task = queue.visible(outcome.task_id)
    if task is None:
        return Refused("not_found")
    before = _repeated(task, outcome.holder, outcome.kind) if keys.owns(queue, task) else None
    return before or outcome.holder.refusal(task)


def _repeated(task: Task, holder: Holder, kind: str) -> SettleResult | None:
    """What the same outcome of the same attempt came to before."""
    if (
        task.status != "claimed"
        and task.last_outcome == kind
        and holder.was(task.claimed_by, task.attempts)
    ):
        return SettleResult(task, kind)
    if holder.attempt is not None:
        for line in task.history:
            if line.ended == kind and holder.was(line.worker_id, line.attempt):
                return SettleResult(task, kind, shown_status(line.status))
    return None


def _complete(queue: Queue, task: Task, said: dict[str, Any]) -> None:
    task.end("completed", queue.now)
    task.result, task.error, task.traceback = said.get("result"), None, None
    task.has_result = said.get("result") is not None
    task.progress = 100
    _note(queue, task, None, "completed")


def _fail(queue: Queue, task: Task, said: dict[str, Any]) -> None:
    task.error, task.traceback = said.get("error", ""), said.get("traceback")
    if task.cancel_requested:
        task.end("cancelled", queue.now)
    elif said.get("retry", True) and task.attempts < task.max_attempts:
        task.status, task.due = "scheduled", _next_attempt(queue, task, said)
    else:
        task.end("failed", queue.now)
    _note(queue, task, task.error, "failed")


def _next_attempt(queue: Queue, task: Task, said: dict[str, Any]) -> int | Range:
    if said.get("delay") is not None:
        return queue.now + milliseconds(said["delay"])
    first = task.type.milliseconds("retry_delay", DEFAULT_RETRY_DELAY)
    longest = task.type.milliseconds("retry_max_delay", DEFAULT_RETRY_MAX_DELAY)
    # A released attempt does not count.
    wait = min(first * 2 ** (task.attempts - task.releases - 1), longest)
    if wait == 0:
        return queue.now
    low, high = wait * (1 - JITTER) - ROUNDING, wait * (1 + JITTER) + ROUNDING
    return Range(queue.now + int(low), queue.now + int(high))


def _release(queue: Queue, task: Task, said: dict[str, Any]) -> None:
    wait = milliseconds(said.get("delay")) or 0
    task.releases += 1
    task.ready_at = queue.now
    task.max_attempts += 1
    if task.cancel_requested:
        task.end("cancelled", queue.now)
    else:
        task.due = None
        limits.make_ready(task)
        if wait:
            task.status, task.due = "scheduled", queue.now + wait
    _note(queue, task, "released", "released")


def _note(queue: Queue, task: Task, message: str | None, kind: str) -> None:
    run = None if kind == "released" else queue.now - task.claimed_at
    task.note(queue.now, message, task.claimed_by, ended=kind, run=run)


def extend(queue: Queue, task_id: int, holder: Holder, said: dict[str, Any]) -> Task | Refused:
    """A heartbeat, with ``progress`` or without."""
    task = queue.visible(task_id)
    if task is None:
        return Refused("not_found")
    if not holder.holds(task) or not keys.owns(queue, task):
        return holder.refusal(task)
    if said.get("lease") is not None:
        task.lease = milliseconds(said["lease"])
    task.due = queue.now + task.lease
    if said.get("progress") is not None:
        task.progress, task.progress_message = said["progress"], said.get("message")
    return task


def saw_heartbeats(queue: Queue, worker_ids: set[str]) -> None:
    """Heartbeats of tasks tell that their worker lives, whether or not it holds the task."""
    for each in worker_ids:
        workers.saw_heartbeat(queue, each)


def endings(task: Task) -> list[HistoryLine]:
    return [line for line in task.history if line.ended in ("completed", "failed")]
