"""JSON Schemas of what Spooled's dialect shows: what ``app.api.spooled.serializers`` makes."""

from __future__ import annotations

from app.api.reference.schemas import (
    CODES,
    COUNT,
    FLAG,
    INTEGER,
    OBJECT,
    TEXT,
    TIME,
    list_of,
    map_of,
    or_null,
    shape,
    words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.reference.schemas import Schema

STATUS = words("pending", "scheduled", "processing", "completed", "deadletter", "cancelled")

BRIEF = {
    "id": TEXT,
    "queue_name": TEXT,
    "status": STATUS,
    "retry_count": COUNT,
    "created_at": TIME,
    "completed_at": or_null(TIME),
}
QUEUE = {
    "queue_name": TEXT,
    "max_retries": INTEGER,
    "default_timeout": INTEGER,
    "rate_limit": {"type": "null"},
    "enabled": FLAG,
}
WORKER = {
    "id": TEXT,
    "queue_name": TEXT,
    "hostname": TEXT,
    "status": words("healthy", "degraded", "offline"),
    "current_jobs": COUNT,
    "max_concurrency": COUNT,
    "last_heartbeat": TIME,
    "jobs_processed": COUNT,
    "jobs_failed": COUNT,
}
SCHEMAS: dict[str, Schema] = {
    "SpooledError": shape(
        {"code": words(*(code.upper() for code in CODES), "LEASE_EXPIRED"), "message": TEXT},
        {
            "details": list_of(shape({"path": TEXT, "message": TEXT})),
            "warnings": list_of(TEXT),
        },
    ),
    "SpooledSchedule": shape(
        {
            "id": TEXT,
            "organization_id": TEXT,
            "name": TEXT,
            "description": {"type": "null"},
            "cron_expression": TEXT,
            "timezone": TEXT,
            "queue_name": TEXT,
            "payload_template": OBJECT,
            "priority": INTEGER,
            "max_retries": COUNT,
            "timeout_seconds": COUNT,
            "is_active": FLAG,
            "last_run_at": or_null(TIME),
            "next_run_at": or_null(TIME),
            "run_count": COUNT,
            "tags": or_null(map_of(TEXT)),
            "metadata": {"type": "null"},
            "created_at": TIME,
            "updated_at": TIME,
        }
    ),
    "SpooledScheduleRun": shape(
        {
            "id": TEXT,
            "schedule_id": TEXT,
            "job_id": or_null(TEXT),
            "status": words("pending", "running", "completed", "failed"),
            "error_message": or_null(TEXT),
            "started_at": TIME,
            "completed_at": or_null(TIME),
        }
    ),
    "SpooledClaimedJob": shape(
        {
            "id": TEXT,
            "queue_name": TEXT,
            "payload": OBJECT,
            "retry_count": COUNT,
            "max_retries": INTEGER,
            "timeout_seconds": INTEGER,
            "lease_expires_at": TIME,
            "lease_id": TEXT,
        }
    ),
    "SpooledJob": shape(
        {
            "id": TEXT,
            "organization_id": TEXT,
            "queue_name": TEXT,
            "status": STATUS,
            "payload": OBJECT,
            "result": {},
            "retry_count": COUNT,
            "max_retries": INTEGER,
            "last_error": or_null(TEXT),
            "created_at": TIME,
            "scheduled_at": or_null(TIME),
            "started_at": or_null(TIME),
            "completed_at": or_null(TIME),
            "priority": INTEGER,
            "tags": or_null(map_of(TEXT)),
            "timeout_seconds": INTEGER,
            "assigned_worker_id": or_null(TEXT),
            "lease_id": or_null(TEXT),
            "lease_expires_at": or_null(TIME),
            "idempotency_key": or_null(TEXT),
            "parent_job_id": or_null(TEXT),
        }
    ),
    "SpooledJobStatus": shape(BRIEF),
    "SpooledJobSummary": shape(
        {
            **BRIEF,
            "attempt": COUNT,
            "priority": INTEGER,
            "max_retries": INTEGER,
            "job_type": TEXT,
            "last_error": or_null(TEXT),
            "scheduled_at": or_null(TIME),
            "started_at": or_null(TIME),
        }
    ),
    "SpooledJobEvent": shape(
        {
            "id": TEXT,
            "job_id": TEXT,
            "event_type": words(
                *("created", "claimed", "requeued", "completed", "failed", "cancelled")
            ),
            "worker_id": or_null(TEXT),
            "details": shape({"attempt": COUNT, "message": or_null(TEXT)}),
            "created_at": TIME,
        }
    ),
    "SpooledQueueSummary": shape(QUEUE),
    "SpooledQueue": shape(
        {
            **QUEUE,
            "id": TEXT,
            "organization_id": TEXT,
            "settings": shape({"paused": FLAG, "active": FLAG}),
            "created_at": TIME,
            "updated_at": TIME,
        }
    ),
    "SpooledWorkerSummary": shape(WORKER),
    "SpooledWorker": shape(
        {
            **WORKER,
            "organization_id": TEXT,
            "queue_names": list_of(TEXT),
            "worker_type": {"type": "null"},
            "metadata": OBJECT,
            "version": or_null(TEXT),
            "registered_at": TIME,
            "updated_at": TIME,
        }
    ),
}
