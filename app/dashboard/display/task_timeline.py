"""The life of a task, from its history: what it waited for, its attempts, and how each ended."""

from __future__ import annotations

from datetime import datetime

from app.queue.lanes import told_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]

ENDED = ("completed", "failed", "cancelled")
LEASE_EXPIRED = "lease expired"
LEAST_WIDTH = 0.6
"""Of a hundred: what took no time is still seen."""
LEAST_SHARE = 0.01
OPEN_SHARE = 0.15
"""How much of the scale is left for a wait without a known end."""

FIRST_SHOWN, LAST_SHOWN = 2, 14


class Segment:
    """Some time in one state: ``label`` for people, ``tone`` the state that gives its colour.
    ``until`` is None while it is on; ``start`` and ``width`` are hundredths of the whole.
    """

    def __init__(self, label: str, tone: str, since: str) -> None:
        self.label = label
        self.tone = tone
        self.since = since
        self.until: str | None = None
        self.worker: str | None = None
        self.outcome = ""
        self.start = 0.0
        self.width = 100.0

    @property
    def seconds(self) -> float:
        return seconds_between(self.since, self.until) if self.until else 0.0


class Attempt:
    """One attempt. ``outcome`` is completed, failed, released, cancelled, lease expired or, while
    it is on, running.
    """

    def __init__(self, number: int, worker: str | None, since: str) -> None:
        self.number = number
        self.worker = worker
        self.since = since
        self.seconds: float | None = None
        self.outcome = "running"
        self.error: str | None = None
        self.traceback: str | None = None

    @property
    def tone(self) -> str:
        return TONES[self.outcome]


TONES = {
    "running": "claimed",
    "completed": "completed",
    "failed": "failed",
    "lease expired": "failed",
    "released": "scheduled",
    "cancelled": "cancelled",
}


class Timeline:
    """``segments`` and ``attempts``, the oldest first. ``seconds`` is how long all of it took, None
    while it goes on.

    The scale of an unfinished task ends at what is known to come next, the end of its lease or the
    time that it waits for, so that it changes with the task and not by itself.
    """

    def __init__(self, row: Row, changes: Sequence[Row]) -> None:
        self.segments: list[Segment] = []
        self.attempts: list[Attempt] = []
        changes = changes or _without_history(row)
        for change, following in zip(changes, [*changes[1:], None]):
            self._add(change, following)
        self._complete_last(row)
        self.seconds = self._total(row)
        self._scale(row)

    def _add(self, change: Row, following: Row | None) -> None:
        status = change["status"]
        if status in ENDED and following is None:
            return
        since = str(change["created_at"])
        segment = Segment(*self._naming(change), since)
        if following is not None:
            segment.until = str(following["created_at"])
        if status == "claimed":
            attempt = Attempt(change["attempt"], change["worker_id"], since)
            if following is not None:
                _end(attempt, following)
                segment.tone = attempt.tone
            segment.worker, segment.outcome = attempt.worker, attempt.outcome
            self.attempts.append(attempt)
        self.segments.append(segment)

    def _naming(self, change: Row) -> tuple[str, str]:
        """The label and the tone of what begins with this change."""
        status = change["status"]
        if status == "claimed":
            return f"attempt {change['attempt']}", "claimed"
        if status == "scheduled":
            return ("backoff" if self._has_failed(change) else "delayed"), "scheduled"
        if status in ENDED:
            return f"was {status}", "cancelled"
        return "waited", "pending"

    def _has_failed(self, change: Row) -> bool:
        return bool(self.attempts) and change["message"] != "released"

    def _complete_last(self, row: Row) -> None:
        """The task holds the error of its last attempt whole."""
        if self.attempts and self.attempts[-1].outcome == "failed" and row["error_message"]:
            last = self.attempts[-1]
            if row["error_message"].startswith(last.error or ""):
                last.error, last.traceback = row["error_message"], row["error_traceback"]

    def _total(self, row: Row) -> float | None:
        if not self.segments or row["status"] not in ENDED:
            return None
        return seconds_between(self.segments[0].since, _last_moment(row, self.segments))

    def _scale(self, row: Row) -> None:
        if not self.segments:
            return
        first = self.segments[0].since
        whole = seconds_between(first, self._horizon(row)) or 1.0
        self.segments = [each for each in self.segments if not _is_nothing(each, whole)]
        for each in self.segments:
            each.start = 100 * seconds_between(first, each.since) / whole
            end = 100.0
            if each.until is not None:
                end = 100 * seconds_between(first, each.until) / whole
            each.width = min(max(end - each.start, LEAST_WIDTH), 100.0)
            each.start = min(each.start, 100.0 - each.width)

    def _horizon(self, row: Row) -> str:
        """Where the scale ends."""
        last = _last_moment(row, self.segments)
        if row["status"] in ENDED:
            return last
        if row["status"] in ("scheduled", "claimed") and row["due_at"]:
            return max(last, str(row["due_at"]))
        past = seconds_between(self.segments[0].since, last)
        return _later(last, max(past * OPEN_SHARE, 1.0))


class Excerpt:
    """The first and the last of many segments: ``left_out`` are between them, after the one of this
    number.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.left_out = max(0, len(segments) - FIRST_SHOWN - LAST_SHOWN)
        self.gap_after = FIRST_SHOWN if self.left_out else 0
        self.shown = [*segments]
        if self.left_out:
            self.shown = [*segments[:FIRST_SHOWN], *segments[-LAST_SHOWN:]]


def _is_nothing(segment: Segment, whole: float) -> bool:
    """Whether it is a wait for a worker that nobody would see in the drawing."""
    is_over = segment.until is not None
    return is_over and segment.tone == "pending" and segment.seconds < whole * LEAST_SHARE


def _end(attempt: Attempt, change: Row) -> None:
    """Tell how an attempt ended, by the change that ended it."""
    attempt.seconds = change["seconds"]
    if attempt.seconds is None:
        attempt.seconds = seconds_between(attempt.since, str(change["created_at"]))
    message = change["message"]
    if change["status"] in ("completed", "cancelled") and change["seconds"] is None:
        attempt.outcome = change["status"]
    elif change["status"] == "completed":
        attempt.outcome = "completed"
    elif message == "released" and change["seconds"] is None:
        attempt.outcome = "released"
    elif message == LEASE_EXPIRED and change["seconds"] is None:
        attempt.outcome, attempt.error = LEASE_EXPIRED, None
    elif change["seconds"] is not None:
        attempt.outcome = "cancelled" if change["status"] == "cancelled" else "failed"
        attempt.error, attempt.traceback = message, change["traceback"]


def _without_history(row: Row) -> list[dict[str, Any]]:
    """What the task itself tells, where no history is kept."""
    moments = [("pending", row["created_at"])]
    if row["claimed_at"]:
        moments.append(("claimed", row["claimed_at"]))
    if row["status"] in ENDED and row["completed_at"]:
        moments.append((row["status"], row["completed_at"]))
    status = told_status(row["status"])
    if status in ("pending", "scheduled") and row["claimed_at"]:
        moments.append((status, row["ready_at"] or row["claimed_at"]))
    failed = row["last_outcome"] == "failed"
    return [
        {
            "status": status,
            "created_at": moment,
            "worker_id": row["claimed_by"],
            "attempt": row["attempts"],
            "message": row["error_message"] if failed and status != "claimed" else None,
            "traceback": None,
            "seconds": _seconds(row["claimed_at"], moment) if status != "pending" else None,
        }
        for status, moment in moments
    ]


def _seconds(since: Any, until: Any) -> float | None:
    return seconds_between(str(since), str(until)) if since and until else None


def _last_moment(row: Row, segments: Sequence[Segment]) -> str:
    last = segments[-1]
    moments = [last.until or last.since]
    if row["status"] in ENDED and row["completed_at"]:
        moments.append(str(row["completed_at"]))
    return max(moments)


def seconds_between(earlier: str, later: str) -> float:
    return max(0.0, (_moment(later) - _moment(earlier)).total_seconds())


def _moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored[:23])


def _later(stored: str, seconds: float) -> str:
    from datetime import timedelta

    moment = _moment(stored) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
