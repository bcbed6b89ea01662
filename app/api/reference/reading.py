"""Reading and operating: fields and responses."""

from __future__ import annotations

from app.api import prometheus, serializers
from app.api.endpoints import bulk, failures, stats, task_actions, tasks
from app.api.reference.operation import Operation
from app.api.reference.schemas import (
    COUNT,
    FLAG,
    ID,
    NUMBER,
    TEXT,
    TRUE,
    list_of,
    or_null,
    ref,
    shape,
    success,
    task,
)

PAGE_OF_TASKS = shape(
    {"tasks": list_of(ref("Task")), "count": COUNT, "limit": COUNT, "next_before_id": or_null(ID)},
    {"offset": COUNT, "total": COUNT, "total_is_capped": FLAG, "searched": COUNT},
)
DELETED = Operation({200: success(shape({"id": ID, "deleted": TRUE}))}, body=task_actions.NOTHING)
CHANGED_MANY = Operation(
    {
        200: success(
            shape(
                {
                    "dry_run": FLAG,
                    "matched": COUNT,
                    "matched_is_capped": FLAG,
                    "changed": COUNT,
                    "skipped": COUNT,
                    "reasons": list_of(ref("Refusal")),
                    "remaining": COUNT,
                    "remaining_is_capped": FLAG,
                    "next_before_id": or_null(ID),
                }
            )
        )
    },
    body=bulk.BULK,
    nested={"filter": bulk.FILTER},
)

OPERATIONS = {
    "GET /tasks/{id}": Operation({200: success(ref("Task"))}),
    "GET /tasks/{id}/history": Operation(
        {200: success(shape({"history": list_of(ref("HistoryLine")), "count": COUNT}))}
    ),
    "GET /tasks": Operation({200: success(PAGE_OF_TASKS)}, query=tasks.LIST),
    "GET /stats": Operation({200: success(ref("Stats"))}, query=stats.STATS),
    "GET /stats/series": Operation(
        {200: success(shape({"points": list_of(ref("Point")), "step_seconds": NUMBER}))},
        query=stats.SERIES,
    ),
    "GET /metrics": Operation({200: TEXT}, content_type=prometheus.CONTENT_TYPE),
    "GET /failures": Operation(
        {200: success(shape({"failures": list_of(ref("FailureGroup")), "count": COUNT}))},
        query=failures.LIST,
    ),
    "POST /tasks/{id}/cancel": Operation(
        {200: success(task(serializers.CANCELLED))}, body=task_actions.NOTHING
    ),
    "POST /tasks/{id}/retry": Operation({200: success(ref("Task"))}, body=task_actions.EDIT),
    "POST /tasks/{id}/delete": DELETED,
    "DELETE /tasks/{id}": DELETED,
    "POST /tasks/retry": CHANGED_MANY,
    "POST /tasks/cancel": CHANGED_MANY,
    "POST /tasks/delete": CHANGED_MANY,
}
