"""What workers send about jobs that they hold: outcomes, heartbeats, progress."""

from __future__ import annotations

from app.api.response import Response
from app.api.spooled.fields import COMPLETE, FAIL, HEARTBEAT, PROGRESS
from app.errors import LeaseLost
from app.queue.fencing import LeaseRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.db.connection import Row
    from app.queue.settle import Outcome


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


def _lease_ref(call: Call, values: dict[str, Any]) -> LeaseRef:
    """The claim that a lease id stands for. Raises LeaseLost for that of another job."""
    lease_id = values.get("lease_id")
    if lease_id is None:
        return LeaseRef(call.task_id, values.get("worker_id"), None, call.access)
    task_id, _, attempt = lease_id.partition("-")
    if task_id != str(call.task_id) or not (attempt.isascii() and attempt.isdigit()):
        raise LeaseLost(f"This is not a lease of job {call.task_id}: send back what claim gave")
    number = min(int(attempt[:18]), 2**31 - 1)
    return LeaseRef(call.task_id, values.get("worker_id"), number, call.access)


def _settled(call: Call, outcome: Outcome) -> Response:
    from app.queue.settle import settle

    settle(call.site, [outcome])[0].row_or_refusal()
    return Response(200, {"success": True})


def _kept(call: Call, row: Row) -> Response:
    if row["cancel_requested"]:
        raise LeaseLost(f"Job {call.task_id} is to be cancelled: stop working on it")
    return Response(200, {"success": True})
