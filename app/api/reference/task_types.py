"""Task types: fields and responses."""

from __future__ import annotations

from app.api.endpoints import queue, task_types
from app.api.reference.operation import Operation
from app.api.reference.schemas import (
    COUNT,
    FLAG,
    ID,
    TEXT,
    TIME,
    TRUE,
    list_of,
    or_null,
    ref,
    shape,
    success,
)

REGISTERED = {"id": ID, "name": TEXT, "version": TEXT}
CHANGED = Operation({200: success(ref("TaskType"))}, body=task_types.NOTHING)
DELETED = Operation(
    {200: success(shape({"name": TEXT, "deleted": TRUE, "archived": FLAG}))},
    body=task_types.NOTHING,
)
PAUSE = {"paused": FLAG, "paused_at": or_null(TIME), "paused_types": list_of(TEXT)}
PAUSED = Operation({200: success(shape(PAUSE, {"matching": COUNT}))}, body=queue.PAUSE)

OPERATIONS = {
    "POST /task-types/register": Operation(
        {
            201: success(shape({**REGISTERED, "created": TRUE})),
            200: success(shape({**REGISTERED, "updated": TRUE})),
        },
        body=task_types.REGISTER,
    ),
    "GET /task-types": Operation(
        {200: success(shape({"task_types": list_of(ref("TaskType")), "count": COUNT}))},
        query=task_types.LIST,
    ),
    "GET /task-types/{name}": Operation({200: success(ref("TaskType"))}),
    "POST /task-types/{name}/activate": CHANGED,
    "POST /task-types/{name}/deactivate": CHANGED,
    "POST /task-types/{name}/pause": CHANGED,
    "POST /task-types/{name}/resume": CHANGED,
    "POST /task-types/{name}/delete": DELETED,
    "DELETE /task-types/{name}": DELETED,
    "GET /queue": Operation({200: success(shape(PAUSE))}),
    "POST /queue/pause": PAUSED,
    "POST /queue/resume": PAUSED,
}
