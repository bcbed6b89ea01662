"""Spooled's dialect: fields and responses."""

from __future__ import annotations

from app.api.reference.operation import HAS_MORE, TRACEPARENT, Operation
from app.api.reference.schemas import (
    COUNT,
    FLAG,
    INTEGER,
    TEXT,
    TIME,
    TRUE,
    all_of,
    list_of,
    or_null,
    ref,
    shape,
)
from app.api.spooled import dead_letters, fields, jobs, lists, queues, schedules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.reference.schemas import Schema

STATISTICS = (
    *("pending", "scheduled", "processing", "completed"),
    *("failed", "deadletter", "cancelled", "total"),
)


def bare(schema: Schema) -> Schema:
    """An object as it is, with the warnings that a call may have."""
    return all_of(schema, {"type": "object", "properties": {"warnings": list_of(TEXT)}})


SCHEDULE = bare(ref("SpooledSchedule"))
SCHEDULE_CHANGED = Operation({200: SCHEDULE}, body=fields.NOTHING)
SCHEDULE_UPDATED = Operation({200: SCHEDULE}, body=schedules.UPDATE)
SCHEDULE_DELETED = Operation({204: None}, body=fields.NOTHING)
DONE = bare(shape({"success": TRUE}))
CANCELLED = Operation({204: None}, body=fields.NOTHING)
PRIORITY = Operation(
    {200: bare(shape({"job_id": TEXT, "old_priority": INTEGER, "new_priority": INTEGER}))},
    body=jobs.PRIORITY,
)
MADE = shape({"index": COUNT, "job_id": TEXT, "created": FLAG})

OPERATIONS = {
    "POST /v1/jobs": Operation(
        dict.fromkeys((201, 200), bare(shape({"id": TEXT, "created": FLAG}))),
        body=fields.CREATE,
        headers=(TRACEPARENT,),
    ),
    "POST /v1/jobs/bulk": Operation(
        {
            200: bare(
                shape(
                    {
                        "succeeded": list_of(MADE),
                        "failed": list_of(shape({"index": COUNT, "error": TEXT})),
                        "total": COUNT,
                        "success_count": COUNT,
                        "failure_count": COUNT,
                    }
                )
            )
        },
        body=fields.CREATE_MANY,
        nested={"jobs": fields.ONE_OF_MANY},
        headers=(TRACEPARENT,),
    ),
    "GET /v1/jobs/{id}": Operation({200: bare(ref("SpooledJob"))}),
    "GET /v1/jobs": Operation(
        {200: list_of(ref("SpooledJobSummary"))}, query=lists.LIST, response_headers=HAS_MORE
    ),
    "GET /v1/jobs/dlq": Operation(
        {200: list_of(ref("SpooledJobSummary"))},
        query=lists.DEAD_LETTERS,
        response_headers=HAS_MORE,
    ),
    "GET /v1/jobs/status": Operation(
        {200: list_of(ref("SpooledJobStatus"))}, query=jobs.STATUS, example_query="ids=5,6"
    ),
    "GET /v1/jobs/stats": Operation({200: bare(shape(dict.fromkeys(STATISTICS, COUNT)))}),
    "GET /v1/jobs/{id}/history": Operation(
        {200: list_of(ref("SpooledJobEvent"))}, query=jobs.HISTORY, response_headers=HAS_MORE
    ),
    "PUT /v1/jobs/{id}/priority": PRIORITY,
    "POST /v1/jobs/{id}/priority": PRIORITY,
    "POST /v1/jobs/dlq/retry": Operation(
        {
            200: bare(
                shape(
                    {
                        "retried_count": COUNT,
                        "retried_jobs": list_of(TEXT),
                        "skipped_jobs": list_of(TEXT),
                        "has_more": FLAG,
                    }
                )
            )
        },
        body=dead_letters.RETRY,
    ),
    "POST /v1/jobs/dlq/purge": Operation(
        {200: bare(shape({"purged_count": COUNT, "has_more": FLAG}))}, body=dead_letters.PURGE
    ),
    "POST /v1/jobs/{id}/retry": Operation({200: bare(ref("SpooledJob"))}, body=fields.NOTHING),
    "POST /v1/jobs/{id}/cancel": CANCELLED,
    "DELETE /v1/jobs/{id}": CANCELLED,
    "POST /v1/jobs/claim": Operation(
        {200: bare(shape({"jobs": list_of(ref("SpooledClaimedJob"))}))}, body=fields.CLAIM
    ),
    "POST /v1/jobs/{id}/complete": Operation({200: DONE}, body=fields.COMPLETE),
    "POST /v1/jobs/{id}/fail": Operation({200: DONE}, body=fields.FAIL),
    "POST /v1/jobs/{id}/heartbeat": Operation({200: DONE}, body=fields.HEARTBEAT),
    "POST /v1/jobs/{id}/progress": Operation({200: DONE}, body=fields.PROGRESS),
    "POST /v1/workers/register": Operation(
        {
            201: bare(
                shape(
                    {
                        "id": TEXT,
                        "queue_name": TEXT,
                        "lease_duration_secs": COUNT,
                        "heartbeat_interval_secs": COUNT,
                    }
                )
            )
        },
        body=fields.REGISTER,
    ),
    "POST /v1/workers/{worker}/heartbeat": Operation({200: DONE}, body=fields.WORKER_HEARTBEAT),
    "POST /v1/workers/{worker}/deregister": Operation({204: None}, body=fields.NOTHING),
    "GET /v1/workers": Operation({200: list_of(ref("SpooledWorkerSummary"))}),
    "GET /v1/workers/{worker}": Operation({200: bare(ref("SpooledWorker"))}),
    "POST /v1/schedules": Operation(
        {
            201: bare(
                shape(
                    {
                        "id": TEXT,
                        "name": TEXT,
                        "cron_expression": TEXT,
                        "next_run_at": or_null(TIME),
                    }
                )
            )
        },
        body=schedules.CREATE,
    ),
    "GET /v1/schedules": Operation({200: list_of(ref("SpooledSchedule"))}, query=schedules.LIST),
    "GET /v1/schedules/{id}": Operation({200: SCHEDULE}),
    "PUT /v1/schedules/{id}": SCHEDULE_UPDATED,
    "POST /v1/schedules/{id}": SCHEDULE_UPDATED,
    "DELETE /v1/schedules/{id}": SCHEDULE_DELETED,
    "POST /v1/schedules/{id}/delete": SCHEDULE_DELETED,
    "POST /v1/schedules/{id}/pause": SCHEDULE_CHANGED,
    "POST /v1/schedules/{id}/resume": SCHEDULE_CHANGED,
    "POST /v1/schedules/{id}/trigger": Operation(
        {200: bare(shape({"job_id": TEXT, "triggered_at": TIME}))}, body=fields.NOTHING
    ),
    "GET /v1/schedules/{id}/history": Operation(
        {200: list_of(ref("SpooledScheduleRun"))}, query=schedules.HISTORY
    ),
    "GET /v1/queues": Operation({200: list_of(ref("SpooledQueueSummary"))}),
    "GET /v1/queues/{name}": Operation({200: bare(ref("SpooledQueue"))}),
    "GET /v1/queues/{name}/stats": Operation(
        {
            200: bare(
                shape(
                    {
                        "queue_name": TEXT,
                        "pending_jobs": COUNT,
                        "processing_jobs": COUNT,
                        "completed_jobs_24h": COUNT,
                        "failed_jobs_24h": COUNT,
                        "avg_processing_time_ms": or_null(COUNT),
                        "max_job_age_seconds": or_null(COUNT),
                        "active_workers": COUNT,
                    }
                )
            )
        }
    ),
    "POST /v1/queues/{name}/pause": Operation(
        {
            200: bare(
                shape(
                    {"queue_name": TEXT, "paused": TRUE, "paused_at": TIME, "reason": or_null(TEXT)}
                )
            )
        },
        body=queues.PAUSE,
    ),
    "POST /v1/queues/{name}/resume": Operation(
        {200: bare(shape({"queue_name": TEXT, "resumed": TRUE, "paused_duration_secs": COUNT}))},
        body=fields.NOTHING,
    ),
}
