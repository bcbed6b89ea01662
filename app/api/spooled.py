"""Spooled's dialect, below ``/api/v1``: its workers and producers run with another address.

A queue is a task type and a job is a task; a lease id stands for a task and one attempt of it.
What is asked for is the same as everywhere, only said in other words.
"""

from __future__ import annotations

import hashlib
import math

from app.api import fields
from app.api.errors import error_response
from app.api.http import Response
from app.json_text import dumps, loads
from app.queue.errors import Invalid, LeaseLost, UnknownType
from app.queue.fencing import LeaseRef
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.call import Call
    from app.db.connection import Row
    from app.queue.new_task import Created, NewTask
    from app.queue.settle import Outcome

HEARTBEAT_SECONDS = 30
"""How often its workers are asked to say that they live. No lease depends on it."""

RETRIES = 3
"""How many its jobs have unless the caller says otherwise."""

LEASE_EXPIRED = {"lease_lost", "not_claimed", "not_owner"}
"""Whoever gets one of these no longer holds the job; there is one code for that."""

STATUS = {"claimed": "processing", "failed": "deadletter"}

MAX_KEY = 191

QUEUE = fields.text(100)
WORKER_ID = fields.text(255)
SECONDS = fields.number(1, 86400 * 7)


def tags(value: Any) -> list[str]:
    """A list of texts, or an object, of which each entry becomes ``name=value``."""
    if isinstance(value, dict):
        entries = value.items()
        value = [
            f"{name}={each if isinstance(each, str) else dumps(each)}" for name, each in entries
        ]
    return fields.list_of(fields.text(50), 20)(value)  # type: ignore[no-any-return]


def unsupported(value: Any) -> Any:
    """To ignore it would change what the producer counts on."""
    raise ValueError("is not supported by this server: leave it out")


def key(value: Any) -> str:
    """Any text. One that cannot be a dedupe key becomes its SHA-256."""
    given = fields.long_text(value)
    try:
        fitting: str = fields.text(MAX_KEY)(given)
    except ValueError:
        return hashlib.sha256(given.encode("utf-8")).hexdigest()
    return fitting


def one_queue(value: Any) -> str:
    """The one name in a list of names: what an older SDK sends for ``queue_name``."""
    queues = fields.list_of(QUEUE, 100)(value)
    if len(queues) != 1:
        raise ValueError(
            f"must name one queue, and has {len(queues)}: register a worker for each of them"
        )
    return str(queues[0])


def any_metadata(value: Any) -> dict[str, Any]:
    """Any JSON; a value that is not an object is put into one."""
    from app.api.endpoints.workers import metadata

    return metadata(value if value == [] or isinstance(value, dict) else {"value": value})


HELD = {"worker_id": WORKER_ID, "lease_id": fields.long_text}
JOB: dict[str, fields.Reader] = {
    "priority": fields.integer(-fields.MAX_PRIORITY, fields.MAX_PRIORITY),
    "max_retries": fields.integer(0, 999),
    "timeout_seconds": SECONDS,
    "scheduled_at": fields.time,
    "idempotency_key": key,
    "tags": tags,
    "expires_at": unsupported,
    "parent_job_id": unsupported,
    "completion_webhook": unsupported,
}
CREATE = fields.Fields({"queue_name": QUEUE, "payload": fields.json_object}, **JOB)
CREATE_MANY = fields.Fields(
    {"queue_name": QUEUE, "jobs": fields.list_of(fields.anything, 100)},
    default_priority=JOB["priority"],
    default_max_retries=JOB["max_retries"],
    default_timeout_seconds=JOB["timeout_seconds"],
)
ONE_OF_MANY = fields.Fields({"payload": fields.json_object}, **JOB)
CLAIM = fields.Fields(
    {"queue_name": QUEUE, "worker_id": WORKER_ID},
    limit=fields.integer(1, 100),
    lease_duration_secs=SECONDS,
)
COMPLETE = fields.Fields({}, **HELD, result=fields.anything)
FAIL = fields.Fields({}, **HELD, error=fields.error_text)
HEARTBEAT = fields.Fields({}, **HELD, lease_duration_secs=SECONDS)
PROGRESS = fields.Fields({"progress": fields.number(0, 100)}, **HELD, message=fields.long_text)
OLDER_NAMES = {"queues": "queue_name", "name": "hostname", "concurrency": "max_concurrency"}
"""What an older SDK calls the fields of a registration."""
REGISTER = fields.Fields(
    {},
    queue_name=QUEUE,
    worker_id=WORKER_ID,
    hostname=fields.text(255),
    worker_type=fields.long_text,
    max_concurrency=fields.integer(1, 10_000),
    metadata=any_metadata,
    version=fields.text(50),
    queues=one_queue,
    name=fields.text(255),
    concurrency=fields.integer(1, 10_000),
)
WORKER_HEARTBEAT = fields.Fields(
    {}, current_jobs=fields.anything, status=fields.anything, metadata=fields.anything
)
NOTHING = fields.Fields({})


def refusal(error: Exception) -> Response:
    """The response for any exception: ``{code, message, details?}``."""
    told = error_response(error)
    code, status = told.payload["code"], told.status
    if code in LEASE_EXPIRED:
        code, status = "lease_expired", 409
    payload = {"code": code.upper(), "message": told.payload["message"]}
    if "details" in told.payload:
        payload["details"] = told.payload["details"]
    return Response(status, payload, told.headers)


def create_job(call: Call) -> Response:
    """An unknown queue becomes a task type that takes any payload."""
    values = call.fields(CREATE)
    created = _create(call, [_new_task(values["queue_name"], values)])[0]
    is_new = not created.deduplicated
    return Response(201 if is_new else 200, {"id": str(created.id), "created": is_new})


def create_jobs(call: Call) -> Response:
    """Creates the jobs that are valid and reports an error for each of the others."""
    values = call.fields(CREATE_MANY)
    defaults = {name[8:]: each for name, each in values.items() if name.startswith("default_")}
    tasks: dict[int, NewTask] = {}
    errors: dict[int, str] = {}
    for index, given in enumerate(values["jobs"]):
        where = f"jobs[{index}]."
        try:
            item = call.read(ONE_OF_MANY, fields.json_object(given), where)
            tasks[index] = _new_task(values["queue_name"], {**defaults, **item}, where)
        except (Invalid, ValueError) as error:
            errors[index] = str(error)
    made = _create_right_ones(call, tasks, errors)
    succeeded = [
        {"index": index, "job_id": str(each.id), "created": not each.deduplicated}
        for index, each in made.items()
    ]
    failed = [{"index": index, "error": errors[index]} for index in sorted(errors)]
    payload = {
        "succeeded": succeeded,
        "failed": failed,
        "total": len(values["jobs"]),
        "success_count": len(succeeded),
        "failure_count": len(failed),
    }
    return Response(200, payload)


def get_job(call: Call) -> Response:
    return Response(200, _job(call))


def retry_job(call: Call) -> Response:
    from app.queue import operate

    call.fields(NOTHING)
    operate.retry(call.site, call.task_id)
    return Response(200, _job(call))


def cancel_job(call: Call) -> Response:
    from app.queue import operate

    call.fields(NOTHING)
    operate.cancel(call.site, call.task_id)
    return Response(204, None)


def claim_jobs(call: Call) -> Response:
    from app.queue.candidates import Filter
    from app.queue.claim import ClaimRequest, claim

    values = call.fields(CLAIM)
    request = ClaimRequest(
        values["worker_id"],
        values.get("limit", 1),
        values.get("lease_duration_secs"),
        Filter(task_types=[values["queue_name"]]),
    )
    tasks = claim(call.site, request).tasks
    return Response(200, {"jobs": [_claimed(call, row) for row in tasks]})


def complete_job(call: Call) -> Response:
    from app.api.endpoints.settle import result_json
    from app.queue.settle import Completion

    values = call.fields(COMPLETE)
    return _settled(call, Completion(_lease_ref(call, values), result_json(call, values, "")))


def fail_job(call: Call) -> Response:
    from app.api.endpoints.settle import cut
    from app.queue.settle import Failure

    values = call.fields(FAIL)
    return _settled(call, Failure(_lease_ref(call, values), cut(values.get("error", ""))))


def heartbeat_job(call: Call) -> Response:
    """Its workers know no other way to hear that a cancel was asked for than a lost lease."""
    from app.queue import leases

    values = call.fields(HEARTBEAT)
    row = leases.heartbeat(call.site, _lease_ref(call, values), values.get("lease_duration_secs"))
    return _kept(call, row)


def progress_job(call: Call) -> Response:
    from app.queue import leases

    values = call.fields(PROGRESS)
    row = leases.report_progress(
        call.site, _lease_ref(call, values), values["progress"], values.get("message")
    )
    return _kept(call, row)


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
    workers.deregister(call.site, worker_of(call))
    return Response(204, None)


def _new_task(queue: str, values: dict[str, Any], where: str = "") -> NewTask:
    from app.queue.new_task import NewTask

    retries = values.get("max_retries")
    job_key = values.get("idempotency_key")
    return NewTask(
        queue,
        values["payload"],
        where,
        priority=values.get("priority"),
        run_at=values.get("scheduled_at"),
        max_attempts=None if retries is None else retries + 1,
        timeout=values.get("timeout_seconds"),
        # Jobs with equal payloads are different jobs here.
        dedupe="forever" if job_key else False,
        dedupe_key=job_key,
        tags=values.get("tags"),
    )


def _create(call: Call, tasks: list[NewTask]) -> list[Created]:
    from app.queue import task_types
    from app.queue.create import create

    try:
        return create(call.site, tasks)
    except UnknownType:
        task_types.make_open(call.site, tasks[0].type, max_attempts=RETRIES + 1)
        return create(call.site, tasks)


def _create_right_ones(
    call: Call, tasks: dict[int, NewTask], errors: dict[int, str]
) -> dict[int, Created]:
    """Create those that their type accepts; the others are added to ``errors``."""
    try:
        return dict(zip(tasks, _create(call, list(tasks.values())))) if tasks else {}
    except Invalid as error:
        for index, task in tasks.items():
            wrong = [each for each in error.details if each["path"].startswith(task.where)]
            if wrong:
                errors[index] = f"{wrong[0]['path']}: {wrong[0]['message']}"
    left = {index: task for index, task in tasks.items() if index not in errors}
    return dict(zip(left, _create(call, list(left.values())))) if left else {}


def _lease_ref(call: Call, values: dict[str, Any]) -> LeaseRef:
    """The claim that a lease id stands for. Raises LeaseLost for that of another job."""
    lease_id = values.get("lease_id")
    if lease_id is None:
        return LeaseRef(call.task_id, values.get("worker_id"), None)
    task_id, _, attempt = lease_id.partition("-")
    if task_id != str(call.task_id) or not (attempt.isascii() and attempt.isdigit()):
        raise LeaseLost(f"This is not a lease of job {call.task_id}: send back what claim gave")
    return LeaseRef(call.task_id, values.get("worker_id"), min(int(attempt[:18]), 2**31 - 1))


def _lease_id(task_id: int, attempts: int) -> str:
    return f"{task_id}-{attempts}"


def _settled(call: Call, outcome: Outcome) -> Response:
    from app.queue.settle import settle

    refused = settle(call.site, [outcome])[0].refusal
    if refused is not None:
        raise refused
    return Response(200, {"success": True})


def _kept(call: Call, row: Row) -> Response:
    if row["cancel_requested"]:
        raise LeaseLost(f"Job {call.task_id} is to be cancelled: stop working on it")
    return Response(200, {"success": True})


def _claimed(call: Call, row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "queue_name": row["type"],
        "payload": loads(row["params_json"]),
        "retry_count": row["attempts"] - row["releases"] - 1,
        "max_retries": _max_retries(row),
        "timeout_seconds": _timeout(call, row["timeout"]),
        "lease_expires_at": to_iso(row["due_at"]),
        "lease_id": _lease_id(row["id"], row["attempts"]),
    }


def _job(call: Call) -> dict[str, Any]:
    from app.queue import read

    task = read.get(call.site, call.task_id)
    is_claimed = task["status"] == "claimed"
    return {
        "id": str(task["id"]),
        "organization_id": "default",
        "queue_name": task["type"],
        "status": _status(task),
        "payload": task["params"],
        "result": task["result"],
        "retry_count": _retries(task),
        "max_retries": _max_retries(task),
        "last_error": task["error_message"],
        "created_at": task["created_at"],
        "scheduled_at": task["run_at"],
        "started_at": task["claimed_at"],
        "completed_at": task["completed_at"],
        "priority": task["priority"],
        "tags": dict(_entry(each) for each in task["tags"]) or None,
        "timeout_seconds": _timeout(call, task["timeout"]),
        "assigned_worker_id": task["claimed_by"],
        "lease_id": _lease_id(task["id"], task["attempts"]) if is_claimed else None,
        "lease_expires_at": task["lease_expires_at"],
        "idempotency_key": task["dedupe_key"],
    }


def _status(task: dict[str, Any]) -> str:
    """Only what was delayed before its first attempt is ``scheduled``: a job that failed and waits
    for its next one is ``pending``.
    """
    if task["run_at"] and not _failed_attempts(task):
        return "scheduled"
    status: str = task["status"]
    return STATUS.get(status, status)


def _retries(task: dict[str, Any]) -> int:
    """The attempts that failed and were followed by another one, or will be: not the last one of a
    job that failed for good.
    """
    return min(_failed_attempts(task), _max_retries(task))


def _failed_attempts(task: dict[str, Any]) -> int:
    begun: int = task["attempts"] - task["releases"]
    runs_or_succeeded = task["status"] in ("claimed", "completed")
    return begun - runs_or_succeeded


def _max_retries(task: Mapping[str, Any]) -> int:
    """A release counts as an attempt and allows one more; here it is not counted as a retry."""
    most: int = task["max_attempts"] - task["releases"] - 1
    return most


def _entry(tag: str) -> tuple[str, str]:
    name, _, value = tag.partition("=")
    return name, value


def _timeout(call: Call, seconds: float | None) -> int:
    """Its workers stop a job after that, so it is told in whole seconds and never 0."""
    return max(1, math.ceil(call.site.settings.task_claim_timeout if seconds is None else seconds))
