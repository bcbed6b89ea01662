"""Every error of the program, in one tree.

``ConfigError`` stops the program, ``DatabaseError`` is trouble with the database, ``CallError``
refuses one call and tells the caller why. ``app.api.error_responses`` has the HTTP response for
each.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class TaskManagerError(Exception):
    """The root of the tree."""


class ConfigError(TaskManagerError):
    """A setting has a value that cannot be used. The message names it and says what would do."""


class DatabaseError(TaskManagerError):
    """The database refused a statement, for a reason that has no class of its own below."""


class TryAgain(DatabaseError):
    """A deadlock or a lock that was not free in time: nothing was done, the same may succeed."""


class ConnectionLost(DatabaseError):
    """The connection broke; whether the last call took effect is unknown."""


class Duplicate(DatabaseError):
    """A unique key already holds this value."""


class StatementTooLong(DatabaseError):
    """A statement is longer than the database accepts."""


class DatabaseBusy(DatabaseError):
    """Tried several times and never got through."""


class DatabaseUnavailable(DatabaseError):
    """No connection, no room for one, or no tables: the message says which and what to do."""


class OldTables(DatabaseUnavailable):
    """The tables are of an earlier version: the message says how to upgrade them."""


class CallError(TaskManagerError):
    """A call is refused. ``code`` is for programs and never changes, ``message`` tells a person
    what to do, ``details`` are ``{"path", "message"}`` dicts.
    """

    code = ""
    headers: Mapping[str, str] | None = None

    def __init__(self, message: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or []


class ApiError(CallError):
    """A refusal by the API itself: the key, the address, the form of the body."""

    def __init__(self, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.headers = headers


class QueueError(CallError):
    """A refusal by the queue."""


class Invalid(QueueError):
    """Something in the call has a value that cannot be taken."""

    code = "validation_failed"


class NotFound(QueueError):
    code = "not_found"


class UnknownType(QueueError):
    code = "unknown_type"


class NotClaimed(QueueError):
    """No worker holds the task, so there is nothing to settle or renew."""

    code = "not_claimed"


class LeaseLost(QueueError):
    """The task was claimed again since: this attempt is over."""

    code = "lease_lost"


class NotOwner(QueueError):
    """Another worker holds the task."""

    code = "not_owner"


class Forbidden(QueueError):
    """The caller's key is not for this."""

    code = "forbidden"


class Conflict(QueueError):
    """The task's status does not allow this."""

    code = "conflict"


class IdempotencyConflict(QueueError):
    """Another call was made with this Idempotency-Key."""

    code = "idempotency_conflict"


class TooLarge(QueueError):
    """Params or a result are longer than the settings allow."""

    code = "too_large"
