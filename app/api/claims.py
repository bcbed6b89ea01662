"""Claiming tasks, and keeping or giving back what was claimed."""

from __future__ import annotations

from app.api import fields
from app.api.errors import ApiError
from app.api.http import Answer, success
from app.queue.candidates import SORT_KEYS, SORT_ORDERS, Filter, Order
from app.queue.claim import ClaimRequest, claim
from app.queue.holding import Hold
from app.queue.jsontext import loads
from app.queue.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.db.connection import Row

WISHES: dict[str, fields.Reader] = {
    "type_pattern": fields.text(255),
    "task_types": fields.names,
    "task_type_id": fields.integer(1, fields.MAX_ID),
    "limit": fields.integer(1, 100),
    "lease": fields.number(0.1),
    "sort_by": fields.one_of(SORT_KEYS),
    "sort_order": fields.one_of(SORT_ORDERS),
}
CLAIM = fields.Fields({"worker_id": fields.text(255)}, **WISHES)
FOLDED_CLAIM = fields.Fields({}, worker_id=fields.text(255), **WISHES)

HOLDER = {"worker_id": fields.text(255), "attempt": fields.integer(0, 2**31 - 1)}
HEARTBEAT = fields.Fields({}, **HOLDER, lease=fields.number(0.1))
PROGRESS = fields.Fields({"progress": fields.number(0, 100)}, **HOLDER, message=fields.long_text)
RELEASE = fields.Fields({}, **HOLDER, delay=fields.number(0))


def claim_tasks(call: Call) -> Answer:
    """Without ``limit`` one task or 404; with it a list, which may be empty."""
    values = call.fields(CLAIM)
    tasks = take(call, values, values["worker_id"])
    if "limit" in values:
        return success({"tasks": tasks, "count": len(tasks)}, f"{len(tasks)} tasks claimed")
    if not tasks:
        raise ApiError("no_tasks", "No available tasks")
    return success(tasks[0], "Task claimed")


def take(call: Call, wishes: dict[str, Any], worker_id: str) -> list[dict[str, Any]]:
    """Claim as wished and show what was claimed. Also used by settles that carry a claim."""
    types = Filter(wishes.get("type_pattern"), wishes.get("task_types"), wishes.get("task_type_id"))
    order = Order(wishes.get("sort_by", "priority"), wishes.get("sort_order"))
    request = ClaimRequest(worker_id, wishes.get("limit", 1), wishes.get("lease"), types, order)
    claimed = claim(call.site, request)
    call.warnings += [f"no task type is named {name!r}" for name in claimed.unknown_types]
    return [_shown(row) for row in claimed.tasks]


def hold(call: Call, values: dict[str, Any]) -> Hold:
    """The claim that the caller says it has of the task in the path."""
    return Hold(call.task_id, values.get("worker_id"), values.get("attempt"))


def heartbeat(call: Call) -> Answer:
    from app.queue import keep

    values = call.fields(HEARTBEAT)
    row = keep.heartbeat(call.site, hold(call, values), values.get("lease"))
    data = {**_lease(row), "cancel_requested": bool(row["cancel_requested"])}
    return success(data, "Lease extended")


def progress(call: Call) -> Answer:
    from app.queue import keep

    values = call.fields(PROGRESS)
    row = keep.report_progress(
        call.site, hold(call, values), values["progress"], values.get("message")
    )
    data = {
        **_lease(row),
        "progress": row["progress"],
        "cancel_requested": bool(row["cancel_requested"]),
    }
    return success(data, "Progress noted")


def release(call: Call) -> Answer:
    from app.queue import release as releasing
    from app.queue.view import shown_status

    values = call.fields(RELEASE)
    row = releasing.release(call.site, hold(call, values), values.get("delay", 0.0))
    run_at = to_iso(row["due_at"]) if row["status"] == "scheduled" else None
    data = {"id": row["id"], "status": shown_status(row["status"]), "run_at": run_at}
    return success(data, "Task released")


def _lease(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "lease": row["lease"], "lease_expires_at": to_iso(row["due_at"])}


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "type": row["type"],
        "params": loads(row["params_json"]),
        "attempts": row["attempts"],
        "max_attempts": row["max_attempts"],
        "priority": -row["urgency"],
        "lease": row["lease"],
        "lease_expires_at": to_iso(row["due_at"]),
        "created_at": to_iso(row["created_at"]),
    }
