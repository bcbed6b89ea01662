"""Every error as the contract has it: one status and one code each, never an SQL text."""

from __future__ import annotations

import sys

from app.api.http import Response, failure
from app.db.errors import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseUnavailable,
    TooLarge,
    TryAgain,
)
from app.queue.errors import QueueError

STATUS_OF_CODE = {
    "invalid_json": 400,
    "validation_failed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_owner": 403,
    "not_found": 404,
    "unknown_type": 404,
    "no_tasks": 404,
    "method_not_allowed": 405,
    "not_claimed": 409,
    "lease_lost": 409,
    "conflict": 409,
    "length_required": 411,
    "too_large": 413,
    "unsupported_media_type": 415,
    "rate_limited": 429,
}

RETRY_AFTER = {"Retry-After": "2"}


class ApiError(Exception):
    """A refusal that the queue does not know of; its status follows from its code."""

    def __init__(
        self,
        code: str,
        message: str,
        details: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers


def error_response(error: Exception) -> Response:
    """The response for any exception. What the caller can't act on goes to the log instead."""
    if isinstance(error, ApiError):
        status = STATUS_OF_CODE[error.code]
        return failure(status, error.code, error.message, error.details, error.headers)
    if isinstance(error, QueueError):
        return failure(STATUS_OF_CODE[error.code], error.code, error.message, error.details)
    if isinstance(error, TooLarge):
        return failure(
            413, "too_large", "The database does not take this much at once: send less in a call"
        )
    if isinstance(error, (DatabaseBusy, TryAgain)):
        return failure(503, "busy", "The queue is busy: try again shortly", None, RETRY_AFTER)
    if isinstance(error, (DatabaseUnavailable, ConnectionLost)):
        log(error)
        return failure(
            503,
            "database_unavailable",
            "The queue's database does not answer: try again shortly. "
            "The reason is in the server's error log",
            None,
            RETRY_AFTER,
        )
    log_trace(error)
    message = "Something is wrong in the server; what it was is in the server's error log"
    return failure(500, "internal", message, None, RETRY_AFTER)


def log(error: Exception | str) -> None:
    print(f"taskmanager: {error}", file=sys.stderr, flush=True)


def log_trace(error: Exception) -> None:
    import traceback

    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
