"""Workers: fields and responses."""

from __future__ import annotations

from app.api.endpoints import workers
from app.api.reference.operation import Operation
from app.api.reference.schemas import (
    COMPONENTS,
    COUNT,
    TEXT,
    all_of,
    list_of,
    ref,
    shape,
    success,
)

WORKER = COMPONENTS["Worker"]["properties"]
STATS = {name: WORKER[name] for name in ("id", "active_tasks", "last_seen_at")}
IN_LIST = all_of(ref("Worker"), ref("WorkerStats"))

OPERATIONS = {
    "POST /workers/register": Operation({200: success(ref("Worker"))}, body=workers.REGISTER),
    "GET /workers/{worker}": Operation({200: success(ref("Worker"))}),
    "GET /workers": Operation(
        {
            200: success(
                shape(
                    {"workers": list_of(IN_LIST), "count": COUNT, "limit": COUNT, "offset": COUNT}
                )
            )
        },
        query=workers.LIST,
    ),
    "GET /workers/{worker}/stats": Operation(
        {200: success(all_of(shape(STATS), ref("WorkerStats")))}
    ),
    "POST /workers/{worker}/heartbeat": Operation(
        {200: success(ref("Worker"))}, body=workers.NOTHING
    ),
    "POST /workers/{worker}/deregister": Operation(
        {200: success(shape({"id": TEXT, "released": COUNT}))}, body=workers.DEREGISTER
    ),
}
