"""Creating tasks: fields and responses."""

from __future__ import annotations

from app.api import serializers
from app.api.endpoints import tasks
from app.api.reference.operation import IDEMPOTENCY_KEY, TRACEPARENT, Operation
from app.api.reference.schemas import (
    COUNT,
    FLAG,
    TASK,
    TRUE,
    any_of,
    list_of,
    shape,
    success,
    success_with_fields,
    task,
)

BRIEF = shape({**task(serializers.CREATED_AMONG_MANY)["properties"], "deduplicated": FLAG})
MANY = shape({"tasks": list_of(BRIEF), "created": COUNT, "deduplicated": COUNT})
EXISTING = shape({**{name: TASK[name] for name in serializers.EXISTING}, "deduplicated": TRUE})

OPERATIONS = {
    "POST /tasks": Operation(
        {
            201: any_of(success_with_fields(task(serializers.CREATED)), success(MANY)),
            200: success_with_fields(EXISTING),
        },
        body=(tasks.TASK, tasks.TASKS),
        nested={"tasks": tasks.TASK},
        headers=(IDEMPOTENCY_KEY, TRACEPARENT),
    ),
}
