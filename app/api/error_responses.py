"""The response for every error: one status and one code each, and never the text of a database
error.
"""

from __future__ import annotations

from app import error_log
from app.api.response import Response, failure
from app.errors import (
    CallError,
    ConnectionLost,
    DatabaseBusy,
    DatabaseUnavailable,
    OldTables,
    StatementTooLong,
    TryAgain,
)

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
    "idempotency_conflict": 422,
    "rate_limited": 429,
    "queue_unhealthy": 503,
}

RETRY_AFTER = {"Retry-After": "2"}


def error_response(error: Exception) -> Response:
    """The response for any exception. What the caller can't act on goes to the log instead."""
    if isinstance(error, CallError):
        status = STATUS_OF_CODE[error.code]
        return failure(status, error.code, error.message, error.details, error.headers)
    if isinstance(error, StatementTooLong):
        return failure(
            413, "too_large", "The database does not take this much at once: send less in a call"
        )
    if isinstance(error, (DatabaseBusy, TryAgain)):
        return failure(503, "busy", "The queue is busy: try again shortly", None, RETRY_AFTER)
    if isinstance(error, OldTables):
        error_log.log(error)
        message = f"This server has to be upgraded: {error}"
        return failure(503, "database_unavailable", message, None, RETRY_AFTER)
    if isinstance(error, (DatabaseUnavailable, ConnectionLost)):
        error_log.log(error)
        return failure(
            503,
            "database_unavailable",
            "The queue's database does not answer: try again shortly. "
            "The reason is in the server's error log",
            None,
            RETRY_AFTER,
        )
    error_log.log_trace(error)
    message = "Something is wrong in the server; what it was is in the server's error log"
    return failure(500, "internal", message, None, RETRY_AFTER)
