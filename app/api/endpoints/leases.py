"""Heartbeats and progress of claimed tasks, and releasing them."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.queue import leases
from app.queue.fencing import LeaseRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.queue.batch import ChangeResult

MAX_TASKS = 100

HOLDER = {"worker_id": fields.worker_id, "attempt": fields.integer(0, 2**31 - 1)}
HEARTBEAT = fields.Fields({}, **HOLDER, lease=fields.number(0.1))
PROGRESS = fields.Fields({"progress": fields.progress}, **HOLDER, message=fields.long_text)
RELEASE = fields.Fields({}, **HOLDER, delay=fields.number(0))
HEARTBEATS = fields.Fields(
    {"tasks": fields.list_of(fields.anything, MAX_TASKS)}, worker_id=HOLDER["worker_id"]
)
ONE_HEARTBEAT = fields.Fields(
    {"id": fields.integer(1, fields.MAX_ID)},
    **HOLDER,
    lease=fields.number(0.1),
    progress=fields.progress,
    message=fields.long_text,
)


def heartbeat(call: Call) -> Response:
    values = call.fields(HEARTBEAT)
    row = leases.heartbeat(call.site, _lease_ref(call, values), values.get("lease"))
    return success(serializers.task(row, serializers.KEPT), "Lease extended successfully")


def progress(call: Call) -> Response:
    values = call.fields(PROGRESS)
    row = leases.report_progress(
        call.site, _lease_ref(call, values), values["progress"], values.get("message")
    )
    data = serializers.task(row, serializers.PROGRESSED)
    return success(data, "Progress noted successfully")


def heartbeat_many(call: Call) -> Response:
    """Each task is kept or refused on its own: a refused one does not fail the call."""
    values = call.fields(HEARTBEATS)
    heartbeats = _heartbeats(call, values["tasks"], values.get("worker_id"))
    results = leases.heartbeat_many(call.site, heartbeats) if heartbeats else []
    good = sum(each.refusal is None for each in results)
    data = {"tasks": [_brief(each) for each in results]}
    return success(data, f"{good} of {len(results)} extended successfully")


def release(call: Call) -> Response:
    from app.queue import release as releasing

    values = call.fields(RELEASE)
    row = releasing.release(call.site, _lease_ref(call, values), values.get("delay", 0.0))
    return success(serializers.task(row, serializers.RELEASED), "Task released successfully")


def _lease_ref(call: Call, values: dict[str, Any]) -> LeaseRef:
    """The claim that the caller says it has of the task in the path."""
    return LeaseRef(call.task_id, values.get("worker_id"), values.get("attempt"), call.access)


def _heartbeats(call: Call, given: list[Any], worker_id: str | None) -> list[leases.Heartbeat]:
    return fields.read_each(
        given, "tasks", lambda each, where: _heartbeat(call, each, worker_id, where)
    )


def _heartbeat(
    call: Call, given: dict[str, Any], worker_id: str | None, where: str
) -> leases.Heartbeat:
    values = call.read(ONE_HEARTBEAT, given, where)
    if "message" in values and "progress" not in values:
        message = "goes with progress (0 to 100): send that too"
        raise fields.invalid([{"path": f"{where}message", "message": message}])
    worker_id = values.get("worker_id", worker_id)
    lease_ref = LeaseRef(values["id"], worker_id, values.get("attempt"), call.access)
    return leases.Heartbeat(
        lease_ref, values.get("lease"), values.get("progress"), values.get("message")
    )


def _brief(result: ChangeResult) -> dict[str, Any]:
    if result.refusal is not None:
        return serializers.refusal(result, result.refusal)
    return serializers.task(result.row, serializers.KEPT)
