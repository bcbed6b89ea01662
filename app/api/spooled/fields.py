"""The fields of Spooled's calls, and what each takes."""

from __future__ import annotations

from app.api import fields
from app.api.routes import is_id
from app.hashes import sha256
from app.json_text import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_KEY = 191

QUEUE = fields.text(100)
SECONDS = fields.number(1, 86400 * 7)


@fields.reads(
    title="list of at most 20 strings, or object (each entry becomes `name=value`)",
    type=["array", "object"],
)
def tags(value: Any) -> list[str]:
    """A list of texts, or an object, of which each entry becomes ``name=value``."""
    if isinstance(value, dict):
        entries = value.items()
        value = [
            f"{name}={each if isinstance(each, str) else dumps(each)}" for name, each in entries
        ]
    return fields.tags(value)  # type: ignore[no-any-return]


@fields.reads(title="not supported", type="null")
def unsupported(value: Any) -> Any:
    """Ignoring it would break what the producer relies on."""
    raise ValueError("is not supported by this server: leave it out")


@fields.reads(type="string")
def key(value: Any) -> str:
    """Any text. One that cannot be a dedupe key becomes its SHA-256."""
    given = fields.long_text(value)
    try:
        fitting: str = fields.text(MAX_KEY)(given)
    except ValueError:
        return sha256(given.encode("utf-8")).hexdigest()
    return fitting


@fields.reads(
    title="list of one string", type="array", minItems=1, maxItems=1, items={"type": "string"}
)
def one_queue(value: Any) -> str:
    """The one name in a list of names: what an older SDK sends for ``queue_name``."""
    queues = fields.list_of(QUEUE, 100)(value)
    if len(queues) != 1:
        raise ValueError(
            f"must name one queue, and has {len(queues)}: register a worker for each of them"
        )
    return str(queues[0])


@fields.reads(title="any JSON, at most 16,384 characters")
def any_metadata(value: Any) -> dict[str, Any]:
    """Any JSON; a value that is not an object is put into one."""
    from app.api.endpoints.workers import metadata

    return metadata(value if value == [] or isinstance(value, dict) else {"value": value})


@fields.reads(title="id of a job", type="string", pattern="^[1-9][0-9]{0,17}$")
def job_id(value: Any) -> int:
    """An id as it was given out."""
    if not isinstance(value, str) or not is_id(value):
        raise ValueError("must be the id of a job, as this server gave it out")
    return int(value)


@fields.reads(
    title="list, at most 100 strings", type="array", maxItems=100, items={"type": "string"}
)
def job_ids(value: Any) -> list[int]:
    """A list of ids as they were given out. What cannot be one is no job's, and is left out."""
    texts = fields.list_of(fields.long_text, 100)(value)
    return [int(each) for each in texts if is_id(each)]


HELD = {"worker_id": fields.worker_id, "lease_id": fields.long_text}
JOB: dict[str, fields.Reader] = {
    "priority": fields.priority,
    "max_retries": fields.integer(0, 999),
    "timeout_seconds": SECONDS,
    "scheduled_at": fields.time,
    "idempotency_key": key,
    "tags": tags,
    "expires_at": unsupported,
    "parent_job_id": job_id,
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
    {"queue_name": QUEUE, "worker_id": fields.worker_id},
    limit=fields.claim_limit,
    lease_duration_secs=SECONDS,
)
COMPLETE = fields.Fields({}, **HELD, result=fields.anything)
FAIL = fields.Fields({}, **HELD, error=fields.error_text)
HEARTBEAT = fields.Fields({}, **HELD, lease_duration_secs=SECONDS)
PROGRESS = fields.Fields({"progress": fields.progress}, **HELD, message=fields.long_text)
OLDER_NAMES = {"queues": "queue_name", "name": "hostname", "concurrency": "max_concurrency"}
"""What an older SDK calls the fields of a registration."""
REGISTER = fields.Fields(
    {},
    queue_name=QUEUE,
    worker_id=fields.worker_id,
    hostname=fields.text(255),
    worker_type=fields.long_text,
    max_concurrency=fields.concurrency,
    metadata=any_metadata,
    version=fields.text(50),
    queues=one_queue,
    name=fields.text(255),
    concurrency=fields.concurrency,
)
WORKER_HEARTBEAT = fields.Fields(
    {}, current_jobs=fields.anything, status=fields.anything, metadata=fields.anything
)
NOTHING = fields.Fields({})
