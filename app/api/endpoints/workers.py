"""Workers: registration, heartbeats, statistics."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.errors import NotFound
from app.json_text import dumps
from app.queue import workers
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

MAX_METADATA_CHARACTERS = 16 * 1024


@fields.reads(title="object, at most 16,384 characters as JSON", type="object")
def metadata(value: Any) -> dict[str, Any]:
    """An object of moderate size."""
    given = fields.json_object(value)
    size = len(dumps(given))
    if size > MAX_METADATA_CHARACTERS:
        raise ValueError(f"has {size} characters as JSON and may have {MAX_METADATA_CHARACTERS}")
    return given


REGISTER = fields.Fields(
    {},
    worker_id=fields.worker_id,
    host=fields.text(255),
    version=fields.text(50),
    metadata=metadata,
    task_types=fields.names,
    concurrency=fields.concurrency,
)
NOTHING = fields.Fields({})
DEREGISTER = fields.Fields({}, release=fields.boolean)
LIST = fields.Fields({}, limit=fields.list_limit, offset=fields.integer(0, fields.MAX_ID))


def register(call: Call) -> Response:
    values = call.fields(REGISTER)
    worker_id = values.pop("worker_id", None)
    row = workers.register(call.site, worker_id, values)
    return success(serializers.worker(row), "Worker registered successfully")


def heartbeat(call: Call) -> Response:
    call.fields(NOTHING)
    worker_id = worker_of(call)
    workers.heartbeat(call.site, worker_id)
    row = workers.get(call.site, worker_id)
    return success(serializers.worker(row), "Heartbeat recorded successfully")


def deregister(call: Call) -> Response:
    values = call.fields(DEREGISTER)
    worker_id = worker_of(call)
    releases = values.get("release", True)
    released = workers.deregister(call.site, worker_id, releases, call.access)
    told = counted(released, "task")
    return success(
        {"id": worker_id, "released": released},
        f"Worker deregistered successfully, {told} released",
    )


def list_all(call: Call) -> Response:
    values = call.query(LIST)
    limit, offset = call.take_limit(values), values.get("offset", 0)
    rows = workers.list_all(call.site, limit, offset)
    found = [{**serializers.worker(row), **serializers.worker_stats(row)} for row in rows]
    data = {"workers": found, "count": len(found), "limit": limit, "offset": offset}
    return success(data, "Workers")


def get(call: Call) -> Response:
    return success(serializers.worker(workers.get(call.site, worker_of(call))), "Worker")


def stats(call: Call) -> Response:
    row = workers.stats(call.site, worker_of(call))
    shown = serializers.worker(row)
    data = {name: shown[name] for name in ("id", "active_tasks", "last_seen_at")}
    return success({**data, **serializers.worker_stats(row)}, "Worker statistics")


def worker_of(call: Call) -> str:
    """The worker in the path. Raises NotFound for a text that cannot be an id."""
    worker_id = call.arguments["worker"]
    try:
        known: str = fields.worker_id(worker_id)
    except ValueError as error:
        raise NotFound(f"Worker {fields.shorten(worker_id)!r} not found: an id {error}") from None
    return known
