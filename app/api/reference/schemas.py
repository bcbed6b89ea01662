"""JSON Schemas of what the API shows: what ``app.api.serializers`` makes, field by field.

A task's fields are in ``TASK``; which of them a call shows is the serializers' own list of names.
"""

from __future__ import annotations

from app.api import serializers
from app.api.error_responses import STATUS_OF_CODE
from app.queue.access import SCOPES
from app.queue.statistics.stats import STATUSES as COUNTED_STATUSES
from app.queue.task_fields import SHOWN_WITH_CLAIM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Schema = dict[str, Any]

ANY: Schema = {}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
ID: Schema = {"type": "integer", "minimum": 1}
TIME: Schema = {"type": "string", "format": "date-time"}
OBJECT: Schema = {"type": "object"}
TRUE: Schema = {"const": True}


def words(*choices: str) -> Schema:
    return {"type": "string", "enum": list(choices)}


def or_null(schema: Schema) -> Schema:
    """This, or null where there is none."""
    if "enum" in schema:
        return {**schema, "type": [schema["type"], "null"], "enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def map_of(schema: Schema) -> Schema:
    return {"type": "object", "additionalProperties": schema}


def shape(properties: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has all of ``properties``, and some of the ``optional`` ones."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def all_of(*schemas: Schema) -> Schema:
    return {"allOf": list(schemas)}


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def success(data: Schema) -> Schema:
    """The envelope with this data."""
    return all_of(ref("Success"), {"type": "object", "properties": {"data": data}})


def success_with_fields(data: Schema, more: Schema | None = None) -> Schema:
    """The fields of the data are at the top level, too, with ``more`` fields there."""
    envelope = success(data)
    return {"allOf": [*envelope["allOf"], data, *([more] if more else [])]}


STATUS = words("pending", "claimed", "completed", "failed", "cancelled")

TASK: dict[str, Schema] = {
    "id": ID,
    "type": TEXT,
    "status": STATUS,
    "params": OBJECT,
    "result": ANY,
    "error_message": or_null(TEXT),
    "error_traceback": or_null(TEXT),
    "priority": INTEGER,
    "progress": or_null({"type": "number", "minimum": 0, "maximum": 100}),
    "progress_message": or_null(TEXT),
    "attempts": COUNT,
    "max_attempts": COUNT,
    "releases": COUNT,
    "timeout": or_null(NUMBER),
    "claimed_by": or_null(TEXT),
    "claimed_at": or_null(TIME),
    "cancel_requested": FLAG,
    "lease_expires_at": or_null(TIME),
    "run_at": or_null(TIME),
    "completed_at": or_null(TIME),
    "created_at": TIME,
    "dedupe_key": or_null(TEXT),
    "concurrency_key": or_null(TEXT),
    "waits_for": or_null(words("concurrency_key", "rate")),
    "tags": list_of(TEXT),
    "parent_id": or_null(ID),
    "traceparent": or_null(TEXT),
    "lease": or_null(NUMBER),
}
"""Every field of a task."""


def task(names: Sequence[str]) -> Schema:
    """A task that is shown with these fields."""
    return shape({name: TASK[name] for name in names})


CODES = (*STATUS_OF_CODE, "internal", "busy", "database_unavailable")

RUN_OF_SCHEDULE = {
    "at": TIME,
    "task_id": or_null(ID),
    "status": or_null(STATUS),
    "message": or_null(TEXT),
}

API_KEY = {
    "id": ID,
    "name": TEXT,
    "hint": TEXT,
    "scopes": list_of(words(*SCOPES)),
    "type_patterns": or_null(list_of(TEXT)),
    "created_at": TIME,
    "expires_at": or_null(TIME),
    "last_used_at": or_null(TIME),
    "revoked_at": or_null(TIME),
    "previous_until": or_null(TIME),
}

COUNTS = shape(dict.fromkeys(COUNTED_STATUSES, or_null(COUNT)))
ENDED = shape(dict.fromkeys(("minute", "hour", "day"), or_null(COUNT)))
PERCENTILES = shape(dict.fromkeys(("p50", "p95", "p99"), or_null(NUMBER)))

COMPONENTS: dict[str, Schema] = {
    "Success": shape(
        {"success": TRUE, "message": TEXT, "data": ANY, "timestamp": INTEGER},
        {"warnings": list_of(TEXT)},
    ),
    "Error": shape(
        {
            "success": {"const": False},
            "error": TEXT,
            "message": TEXT,
            "code": words(*CODES),
            "timestamp": INTEGER,
        },
        {
            "details": list_of(shape({"path": TEXT, "message": TEXT})),
            "warnings": list_of(TEXT),
        },
    ),
    "Refusal": shape({"id": ID, "code": words(*CODES), "error": TEXT}),
    "Task": task(serializers.ALL),
    "ClaimedTask": task(SHOWN_WITH_CLAIM),
    "HistoryLine": shape(
        {
            "status": STATUS,
            "worker_id": or_null(TEXT),
            "attempt": COUNT,
            "message": or_null(TEXT),
            "created_at": TIME,
        }
    ),
    "TaskType": shape(
        {
            "id": ID,
            "name": TEXT,
            "version": TEXT,
            "param_schema": {"type": ["object", "boolean"]},
            "is_active": FLAG,
            "is_paused": FLAG,
            "description": or_null(TEXT),
            "max_attempts": or_null(COUNT),
            "timeout": or_null(NUMBER),
            "retry_delay": or_null(NUMBER),
            "retry_max_delay": or_null(NUMBER),
            "priority": or_null(INTEGER),
            "max_running": or_null(COUNT),
            "max_per_key": or_null(COUNT),
            "rate": or_null(shape({"tasks": COUNT, "seconds": NUMBER})),
            "retention": or_null(map_of(or_null(NUMBER))),
            "retention_days": or_null(NUMBER),
            "dedupe": ANY,
            "created_at": TIME,
            "updated_at": TIME,
            "archived_at": or_null(TIME),
        }
    ),
    "Schedule": shape(
        {
            "name": TEXT,
            "type": TEXT,
            "params": OBJECT,
            "cron": or_null(TEXT),
            "every": or_null(NUMBER),
            "timezone": TEXT,
            "missed": words("skip", "once", "all"),
            "dedupe": {"enum": ["active", False]},
            "priority": or_null(INTEGER),
            "max_attempts": or_null(COUNT),
            "timeout": or_null(NUMBER),
            "tags": list_of(TEXT),
            "concurrency_key": or_null(TEXT),
            "paused": FLAG,
            "next_runs": list_of(TIME),
            "last_run": or_null(shape(RUN_OF_SCHEDULE)),
            "created_at": TIME,
            "updated_at": TIME,
        }
    ),
    "ScheduleRun": shape({**RUN_OF_SCHEDULE, "made_at": TIME}),
    "Worker": shape(
        {
            "id": TEXT,
            "host": or_null(TEXT),
            "version": or_null(TEXT),
            "task_types": or_null(list_of(TEXT)),
            "concurrency": or_null(COUNT),
            "metadata": or_null(OBJECT),
            "registered_at": or_null(TIME),
            "deregistered_at": or_null(TIME),
            "first_seen_at": TIME,
            "last_seen_at": TIME,
            "active_tasks": COUNT,
        }
    ),
    "WorkerStats": shape(
        {
            "done": COUNT,
            "failed": COUNT,
            "mean_run_seconds": or_null(NUMBER),
            "since": or_null(TIME),
        }
    ),
    "Stats": shape(
        {
            "counts": COUNTS,
            "by_type": list_of(shape({"type": TEXT, **dict.fromkeys(COUNTED_STATUSES, COUNT)})),
            "oldest_due_age": or_null(NUMBER),
            "paused": FLAG,
            "completed": ENDED,
            "failed": ENDED,
            "wait_seconds": PERCENTILES,
            "run_seconds": PERCENTILES,
            "as_of": TIME,
        }
    ),
    "Point": shape(
        {
            "at": TIME,
            "created": COUNT,
            "completed": COUNT,
            "failed": COUNT,
            "wait_p50": or_null(NUMBER),
            "run_p50": or_null(NUMBER),
        }
    ),
    "FailureGroup": shape(
        {
            "error_group": or_null(INTEGER),
            "type": TEXT,
            "error": or_null(TEXT),
            "count": COUNT,
            "first_at": or_null(TIME),
            "last_at": or_null(TIME),
            "sample_id": or_null(ID),
        }
    ),
    "Key": shape(API_KEY),
    "KeyWithText": shape({**API_KEY, "key": TEXT}),
    "AuditEntry": shape(
        {
            "id": ID,
            "at": TIME,
            "actor": TEXT,
            "action": TEXT,
            "target": or_null(TEXT),
            "detail": OBJECT,
        }
    ),
}
"""The schemas that OpenAPI has a name for."""
