"""Claiming tasks."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success, success_with_fields
from app.errors import ApiError
from app.queue.claim import ClaimRequest, claim
from app.queue.claim_order import FAIR, SORT_KEYS, SORT_ORDERS, Order
from app.queue.eligible_types import Filter
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

CLAIM_OPTIONS: dict[str, fields.Reader] = {
    "type_pattern": fields.text(255),
    "task_types": fields.names,
    "task_type_id": fields.integer(1, fields.MAX_ID),
    "limit": fields.claim_limit,
    "lease": fields.number(0.1),
    "sort_by": fields.one_of((*SORT_KEYS, FAIR)),
    "sort_order": fields.one_of(SORT_ORDERS),
    "claim_key": fields.text(64),
    "again": fields.boolean,
}
CLAIM = fields.Fields({"worker_id": fields.worker_id}, **CLAIM_OPTIONS)
FOLDED_CLAIM = fields.Fields({}, worker_id=fields.worker_id, **CLAIM_OPTIONS)


def claim_tasks(call: Call) -> Response:
    """Without ``limit`` one task or 404; with it a list, which may be empty."""
    values = call.fields(CLAIM)
    tasks = take(call, values, values["worker_id"])
    if "limit" in values:
        return success({"tasks": tasks, "count": len(tasks)}, _told(len(tasks)))
    if not tasks:
        raise ApiError("no_tasks", "No available tasks")
    return _single(tasks[0])


def take(call: Call, options: dict[str, Any], worker_id: str) -> list[dict[str, Any]]:
    """Claim with these options and show the tasks. Also used by settles that carry a claim."""
    types = Filter(
        options.get("type_pattern"), options.get("task_types"), options.get("task_type_id")
    )
    request = ClaimRequest(
        worker_id,
        options.get("limit", 1),
        options.get("lease"),
        types,
        _order(call, options),
        options.get("claim_key"),
        options.get("again", False),
        call.access,
    )
    result = claim(call.site, request)
    call.warnings += [f"no task type is named {name!r}" for name in result.unknown_types]
    return [serializers.claimed_task(row) for row in result.tasks]


def _order(call: Call, options: dict[str, Any]) -> Order:
    """What the claim asks for, else the site's; ``sort_order`` alone is about priorities."""
    sort_order = options.get("sort_order")
    default = call.site.settings.claim_order if sort_order is None else "priority"
    sort_by = options.get("sort_by", default)
    if sort_by == FAIR and sort_order is not None:
        message = "cannot be given with the order fair: leave it out"
        raise fields.invalid([{"path": "sort_order", "message": message}])
    return Order(sort_by, sort_order)


def _told(number: int) -> str:
    return f"{counted(number, 'task')} claimed successfully" if number else "No tasks available"


def _single(task: dict[str, Any]) -> Response:
    """Workers written after common guides look for the task at the top level of the response, or in
    ``task`` with its params as ``parameters``. One that finds neither would claim task after task
    and run none.
    """
    response = success_with_fields(task, "Task claimed successfully")
    response.payload["task"] = {**task, "parameters": task["params"]}
    return response
