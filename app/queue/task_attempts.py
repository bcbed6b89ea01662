"""The attempts of a task, and the other things that happened to it, from its history."""

from __future__ import annotations

from datetime import datetime

from app import json_text
from app.queue.history import PROMOTED, RELEASED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from app.db.connection import Row

OUTCOMES = ("completed", "failed", "retried", "released", "expired", "cancelled")

SAME_CHANGE_SECONDS = 1.0
"""A line of the audit log and one of the history are written by one transaction, but not in the
same millisecond."""

EVENTS_OF_ACTIONS = {"task.retry": "retried by hand", "task.cancel": "cancelled"}
"""What a line of the audit log is about that the history has as well."""


class TaskAttempt:
    """``number`` counts from 1. ``started_at`` is None where the history lacks the claim;
    ``ended_at`` and ``outcome`` (one of OUTCOMES) while it runs. ``waited`` and ``seconds`` are how
    long the task had waited for it and how long it took, None where that is not known. ``error`` is
    what its worker said, or why it ended; ``traceback`` is kept of the last failure alone.
    """

    def __init__(self, number: int, worker_id: str | None) -> None:
        self.number = number
        self.worker_id = worker_id
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self.waited: float | None = None
        self.seconds: float | None = None
        self.outcome: str | None = None
        self.error: str | None = None
        self.traceback: str | None = None


class TaskEvent:
    """What happened besides: ``created``, ``retried by hand``, ``cancelled``, ``due`` (its time had
    come), ``edited``, ``cancel asked``, and what else the audit log has, by its name. ``actor`` did
    it, as far as that is known; ``detail`` is what else is.
    """

    def __init__(
        self, at: str, what: str, actor: str | None = None, detail: dict[str, Any] | None = None
    ) -> None:
        self.at = at
        self.what = what
        self.actor = actor
        self.detail = detail or {}


def attempts_and_events(
    task: Row, changes: Iterable[Row], audit: Iterable[Row]
) -> tuple[list[TaskAttempt], list[TaskEvent]]:
    """``changes`` are rows of the history, ``audit`` lines about this task, both with the oldest
    first.
    """
    attempts: dict[int, TaskAttempt] = {}
    events: list[TaskEvent] = []
    for row in changes:
        if row["worker_id"] is None:
            events.append(TaskEvent(str(row["created_at"]), _what(row, bool(events or attempts))))
            continue
        attempt = attempts.setdefault(row["attempt"], TaskAttempt(row["attempt"], row["worker_id"]))
        if row["status"] == "claimed":
            attempt.started_at = str(row["created_at"])
            attempt.waited = row["waited"]
        else:
            _end(attempt, row)
    ordered = [attempts[number] for number in sorted(attempts)]
    _add_traceback(ordered, task)
    _add_actors(events, audit)
    return ordered, sorted(events, key=lambda each: each.at)


def _what(row: Row, has_earlier: bool) -> str:
    """What a change is that no worker made."""
    if row["message"] == PROMOTED:
        return "due"
    if row["status"] == "cancelled":
        return "cancelled"
    if row["message"] == "retry":
        return "retried by hand"
    return "changed" if has_earlier else "created"


def _end(attempt: TaskAttempt, row: Row) -> None:
    attempt.ended_at = str(row["created_at"])
    attempt.outcome = _outcome(row)
    attempt.seconds = row["seconds"]
    if attempt.seconds is None and attempt.started_at is not None:
        attempt.seconds = seconds_between(attempt.started_at, attempt.ended_at)
    if attempt.outcome in ("failed", "retried", "expired"):
        attempt.error = row["message"]


def _outcome(row: Row) -> str:
    if row["status"] in ("completed", "failed", "cancelled"):
        return str(row["status"])
    if row["seconds"] is not None:
        return "retried"
    return "released" if row["message"] == RELEASED else "expired"


def _add_traceback(attempts: Sequence[TaskAttempt], task: Row) -> None:
    """The task has the error of its last failure whole, its history only so many characters."""
    failed = [each for each in attempts if each.outcome in ("failed", "retried")]
    if failed and task["error_message"] is not None:
        failed[-1].error = task["error_message"]
        failed[-1].traceback = task["error_traceback"]


def _add_actors(events: list[TaskEvent], audit: Iterable[Row]) -> None:
    """Who did by hand what the history has, and what it lacks."""
    free = list(events)
    for row in audit:
        at, what = str(row["created_at"]), EVENTS_OF_ACTIONS.get(row["action"])
        detail = json_text.loads(row["detail_json"])
        for event in free:
            is_same = abs(seconds_between(event.at, at)) <= SAME_CHANGE_SECONDS
            if event.what == what and is_same:
                event.actor, event.detail = row["actor"], detail or {}
                free.remove(event)
                break
        else:
            events.append(TaskEvent(at, _name(row["action"]), row["actor"], detail))


def _name(action: str) -> str:
    """Of what the history has no line for: a worker that is asked to stop, an edit."""
    known = {"task.cancel": "cancel asked", "task.edit": "edited", "task.retry": "retried by hand"}
    return known.get(action, action.partition(".")[2])


def seconds_between(first: str, second: str) -> float:
    """Of two stored times."""
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()
