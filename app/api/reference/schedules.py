"""Schedules: fields and responses."""

from __future__ import annotations

from app.api.endpoints import schedules
from app.api.reference.operation import Operation
from app.api.reference.schemas import (
    COUNT,
    ID,
    TEXT,
    TRUE,
    all_of,
    list_of,
    ref,
    shape,
    success,
)

CHANGED = Operation({200: success(ref("Schedule"))}, body=schedules.NOTHING)
DELETED = Operation({200: success(shape({"name": TEXT, "deleted": TRUE}))}, body=schedules.NOTHING)

OPERATIONS = {
    "POST /schedules": Operation(
        {201: success(ref("Schedule")), 200: success(ref("Schedule"))}, body=schedules.SCHEDULE
    ),
    "GET /schedules": Operation(
        {200: success(shape({"schedules": list_of(ref("Schedule")), "count": COUNT}))}
    ),
    "GET /schedules/{name}": Operation(
        {200: success(all_of(ref("Schedule"), shape({"runs": list_of(ref("ScheduleRun"))})))}
    ),
    "POST /schedules/{name}/pause": CHANGED,
    "POST /schedules/{name}/resume": CHANGED,
    "POST /schedules/{name}/run": Operation(
        {201: success(shape({"task_id": ID}))}, body=schedules.NOTHING
    ),
    "POST /schedules/{name}/delete": DELETED,
    "DELETE /schedules/{name}": DELETED,
}
