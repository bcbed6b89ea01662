"""Health: fields and responses."""

from __future__ import annotations

from app.api.endpoints import health
from app.api.reference.operation import Operation
from app.api.reference.schemas import (
    FLAG,
    TEXT,
    all_of,
    any_of,
    list_of,
    ref,
    shape,
    success_with_fields,
    words,
)

HEALTHY = shape({"status": TEXT, "database": TEXT, "version": TEXT})
UNHEALTHY = all_of(ref("Error"), HEALTHY)
FOR_SPOOLED = shape(
    {"status": TEXT, "version": TEXT, "database": {"type": "boolean"}},
    {"code": TEXT, "message": TEXT},
)
QUEUE = {"status": words("healthy", "unhealthy"), "reasons": list_of(TEXT), "paused": FLAG}

HEALTH = Operation(
    {200: any_of(success_with_fields(HEALTHY), FOR_SPOOLED), 503: any_of(UNHEALTHY, FOR_SPOOLED)}
)

OPERATIONS = {
    "GET /health": HEALTH,
    "GET /health/ready": HEALTH,
    "GET /health/live": Operation(
        {200: any_of(success_with_fields(shape({"status": words("alive")})), FOR_SPOOLED)}
    ),
    "GET /health/queue": Operation(
        {200: success_with_fields(shape(QUEUE)), 503: all_of(ref("Error"), shape({}, QUEUE))},
        query=health.QUEUE,
    ),
}
