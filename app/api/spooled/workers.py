"""Workers of Spooled: registering, heartbeats, leaving; the list of them."""

from __future__ import annotations

import math

from app.api import fields
from app.api.response import Response
from app.api.spooled.fields import NOTHING, OLDER_NAMES, REGISTER, WORKER_HEARTBEAT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

HEARTBEAT_SECONDS = 30
"""How often its workers are asked to send heartbeats. No lease depends on it."""

MAX_WORKERS = 100


def register_worker(call: Call) -> Response:
    from app.queue import workers

    values = call.fields(REGISTER)
    for older, name in OLDER_NAMES.items():
        if older in values:
            values.setdefault(name, values[older])
    if "queue_name" not in values:
        raise fields.invalid([{"path": "queue_name", "message": "is required"}])
    told = {
        "host": values.get("hostname"),
        "version": values.get("version"),
        "task_types": [values["queue_name"]],
        "concurrency": values.get("max_concurrency"),
        "metadata": values.get("metadata"),
    }
    worker = workers.register(call.site, values.get("worker_id"), told)
    payload = {
        "id": worker["id"],
        "queue_name": values["queue_name"],
        "lease_duration_secs": math.ceil(call.site.settings.task_claim_timeout),
        "heartbeat_interval_secs": HEARTBEAT_SECONDS,
    }
    return Response(201, payload)


def heartbeat_worker(call: Call) -> Response:
    from app.api.endpoints.workers import worker_of
    from app.queue import workers

    call.fields(WORKER_HEARTBEAT)
    workers.heartbeat(call.site, worker_of(call))
    return Response(200, {"success": True})


def deregister_worker(call: Call) -> Response:
    from app.api.endpoints.workers import worker_of
    from app.queue import workers

    call.fields(NOTHING)
    workers.deregister(call.site, worker_of(call), access=call.access)
    return Response(204, None)


def list_workers(call: Call) -> Response:
    from app.api.spooled.serializers import worker_summary
    from app.queue import workers

    rows = workers.list_all(call.site, MAX_WORKERS)
    return Response(200, [worker_summary(row) for row in rows])


def get_worker(call: Call) -> Response:
    from app.api.endpoints.workers import worker_of
    from app.api.spooled.serializers import worker
    from app.queue import workers

    return Response(200, worker(workers.stats(call.site, worker_of(call))))
