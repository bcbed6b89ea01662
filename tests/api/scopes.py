"""What a key needs for each route, a row each. test_scopes.py tries every route with every key."""

from __future__ import annotations

from typing import NamedTuple

READ, PRODUCE, WORK, ADMIN, OPEN = "read", "produce", "work", "admin", "open"

OWN_TYPES = "own types"
"""A key with type patterns may call: it sees and changes what is of its types alone."""
NO_PATTERNS = "no patterns"
"""A key with type patterns may not call: this is about all types."""


class Row(NamedTuple):
    """``scope`` is what a key needs, ``types`` says what a key with type patterns gets."""

    scope: str
    types: str = OWN_TYPES


ROWS = {
    "GET /": Row(OPEN),
    "GET /openapi.json": Row(OPEN),
    "GET /health": Row(OPEN),
    "GET /health/live": Row(OPEN),
    "GET /health/ready": Row(OPEN),
    "GET /health/queue": Row(OPEN),
    "GET /metrics": Row(READ, NO_PATTERNS),
    "POST /tasks/claim": Row(WORK),
    "POST /tasks/settle": Row(WORK),
    "POST /tasks/heartbeat": Row(WORK),
    "POST /tasks/{id}/complete": Row(WORK),
    "POST /tasks/{id}/fail": Row(WORK),
    "POST /tasks/{id}/heartbeat": Row(WORK),
    "POST /tasks/{id}/progress": Row(WORK),
    "POST /tasks/{id}/release": Row(WORK),
    "POST /tasks": Row(PRODUCE),
    "GET /tasks": Row(READ),
    "GET /tasks/{id}": Row(READ),
    "GET /tasks/{id}/history": Row(READ),
    "POST /tasks/retry": Row(ADMIN),
    "POST /tasks/cancel": Row(ADMIN),
    "POST /tasks/delete": Row(ADMIN),
    "POST /tasks/{id}/cancel": Row(ADMIN),
    "POST /tasks/{id}/retry": Row(ADMIN),
    "POST /tasks/{id}/delete": Row(ADMIN),
    "DELETE /tasks/{id}": Row(ADMIN),
    "POST /task-types/register": Row(ADMIN),
    "GET /task-types": Row(READ),
    "GET /task-types/{name}": Row(READ),
    "POST /task-types/{name}/activate": Row(ADMIN),
    "POST /task-types/{name}/deactivate": Row(ADMIN),
    "POST /task-types/{name}/pause": Row(ADMIN),
    "POST /task-types/{name}/resume": Row(ADMIN),
    "POST /task-types/{name}/delete": Row(ADMIN),
    "DELETE /task-types/{name}": Row(ADMIN),
    "POST /workers/register": Row(WORK),
    "POST /workers/{worker}/heartbeat": Row(WORK),
    "POST /workers/{worker}/deregister": Row(WORK),
    "GET /failures": Row(READ),
    "GET /stats": Row(READ),
    "GET /stats/series": Row(READ),
    "GET /workers": Row(READ, NO_PATTERNS),
    "GET /workers/{worker}": Row(READ, NO_PATTERNS),
    "GET /workers/{worker}/stats": Row(READ, NO_PATTERNS),
    "POST /run": Row(WORK, NO_PATTERNS),
    "GET /run": Row(WORK, NO_PATTERNS),
    "GET /queue": Row(READ),
    "POST /queue/pause": Row(ADMIN),
    "POST /queue/resume": Row(ADMIN),
    "GET /schedules": Row(READ),
    "POST /schedules": Row(ADMIN),
    "GET /schedules/{name}": Row(READ),
    "POST /schedules/{name}/pause": Row(ADMIN),
    "POST /schedules/{name}/resume": Row(ADMIN),
    "POST /schedules/{name}/run": Row(ADMIN),
    "POST /schedules/{name}/delete": Row(ADMIN),
    "DELETE /schedules/{name}": Row(ADMIN),
    "GET /keys": Row(ADMIN, NO_PATTERNS),
    "POST /keys": Row(ADMIN, NO_PATTERNS),
    "POST /keys/{id}/rotate": Row(ADMIN, NO_PATTERNS),
    "POST /keys/{id}/revoke": Row(ADMIN, NO_PATTERNS),
    "GET /audit": Row(ADMIN, NO_PATTERNS),
    "POST /v1/jobs/claim": Row(WORK),
    "POST /v1/jobs/{id}/complete": Row(WORK),
    "POST /v1/jobs/{id}/fail": Row(WORK),
    "POST /v1/jobs/{id}/heartbeat": Row(WORK),
    "POST /v1/jobs/{id}/progress": Row(WORK),
    "POST /v1/jobs/{id}/retry": Row(ADMIN),
    "POST /v1/jobs/{id}/cancel": Row(ADMIN),
    "DELETE /v1/jobs/{id}": Row(ADMIN),
    "PUT /v1/jobs/{id}/priority": Row(ADMIN),
    "POST /v1/jobs/{id}/priority": Row(ADMIN),
    "POST /v1/jobs/bulk": Row(PRODUCE),
    "POST /v1/jobs": Row(PRODUCE),
    "GET /v1/jobs": Row(READ),
    "GET /v1/jobs/{id}": Row(READ),
    "GET /v1/jobs/{id}/history": Row(READ),
    "GET /v1/jobs/status": Row(READ),
    "GET /v1/jobs/stats": Row(READ),
    "GET /v1/jobs/dlq": Row(READ),
    "POST /v1/jobs/dlq/retry": Row(ADMIN),
    "POST /v1/jobs/dlq/purge": Row(ADMIN),
    "GET /v1/queues": Row(READ),
    "GET /v1/queues/{name}": Row(READ),
    "GET /v1/queues/{name}/stats": Row(READ),
    "POST /v1/queues/{name}/pause": Row(ADMIN),
    "POST /v1/queues/{name}/resume": Row(ADMIN),
    "POST /v1/workers/register": Row(WORK),
    "POST /v1/workers/{worker}/heartbeat": Row(WORK),
    "POST /v1/workers/{worker}/deregister": Row(WORK),
    "GET /v1/schedules": Row(READ),
    "POST /v1/schedules": Row(ADMIN),
    "GET /v1/schedules/{id}": Row(READ),
    "PUT /v1/schedules/{id}": Row(ADMIN),
    "POST /v1/schedules/{id}": Row(ADMIN),
    "DELETE /v1/schedules/{id}": Row(ADMIN),
    "POST /v1/schedules/{id}/delete": Row(ADMIN),
    "POST /v1/schedules/{id}/pause": Row(ADMIN),
    "POST /v1/schedules/{id}/resume": Row(ADMIN),
    "POST /v1/schedules/{id}/trigger": Row(ADMIN),
    "GET /v1/schedules/{id}/history": Row(READ),
    "GET /v1/workers": Row(READ, NO_PATTERNS),
    "GET /v1/workers/{worker}": Row(READ, NO_PATTERNS),
}
"""A new route gets its row here. Where it is for OWN_TYPES, test_key_types.py needs one, too."""

MAY_CALL = {
    READ: {READ, PRODUCE, WORK, ADMIN},
    PRODUCE: {PRODUCE, ADMIN},
    WORK: {WORK, ADMIN},
    ADMIN: {ADMIN},
}
"""The scopes of which a key needs one, for each scope that a route has."""
