"""Why the queue refuses a call. ``code`` is for programs and never changes."""

from __future__ import annotations


class QueueError(Exception):
    """``message`` tells a person what to do; ``details`` are ``{"path", "message"}`` dicts."""

    code = ""

    def __init__(self, message: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or []


class Invalid(QueueError):
    """Something in the call has a value that cannot be taken."""

    code = "validation_failed"


class NotFound(QueueError):
    code = "not_found"


class UnknownType(QueueError):
    code = "unknown_type"


class NotClaimed(QueueError):
    """The task is in no worker's hands, so there is nothing to settle or keep."""

    code = "not_claimed"


class LeaseLost(QueueError):
    """The task was claimed again since: this attempt is over."""

    code = "lease_lost"


class NotOwner(QueueError):
    """Another worker holds the task."""

    code = "not_owner"


class Conflict(QueueError):
    """The task's status does not allow this."""

    code = "conflict"


class TooLarge(QueueError):
    code = "too_large"
