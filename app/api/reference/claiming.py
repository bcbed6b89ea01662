"""Claiming and settling: fields and responses."""

from __future__ import annotations

from app.api import serializers
from app.api.endpoints import claim, leases, settle
from app.api.reference.operation import Operation
from app.api.reference.schemas import (
    COUNT,
    FLAG,
    OBJECT,
    TASK,
    any_of,
    list_of,
    ref,
    shape,
    success,
    success_with_fields,
    task,
)

CLAIMED = list_of(ref("ClaimedTask"))
CLAIMED_TOO = {"tasks": CLAIMED}
COMPLETED = {name: TASK[name] for name in serializers.COMPLETED}
FAILED = {**COMPLETED, "will_retry": FLAG, "run_at": TASK["run_at"]}
SETTLED = any_of(
    shape(FAILED), task(serializers.RELEASED), task(serializers.COMPLETED), ref("Refusal")
)
FOLDED = {"claim": claim.FOLDED_CLAIM}
ALSO_AS_TASK = shape({"task": {"allOf": [ref("ClaimedTask"), shape({"parameters": OBJECT})]}})

OPERATIONS = {
    "POST /tasks/claim": Operation(
        {
            200: any_of(
                success_with_fields(ref("ClaimedTask"), ALSO_AS_TASK),
                success(shape({**CLAIMED_TOO, "count": COUNT})),
            )
        },
        body=claim.CLAIM,
    ),
    "POST /tasks/{id}/complete": Operation(
        {200: success(any_of(shape(FAILED, CLAIMED_TOO), shape(COMPLETED, CLAIMED_TOO)))},
        body=settle.COMPLETE,
        nested=FOLDED,
    ),
    "POST /tasks/{id}/fail": Operation(
        {200: success(shape(FAILED, CLAIMED_TOO))}, body=settle.FAIL, nested=FOLDED
    ),
    "POST /tasks/settle": Operation(
        {200: success(shape({"settled": list_of(SETTLED)}, CLAIMED_TOO))},
        body=settle.SETTLE,
        nested={"outcomes": settle.ONE_OUTCOME, **FOLDED},
    ),
    "POST /tasks/{id}/heartbeat": Operation(
        {200: success(task(serializers.KEPT))}, body=leases.HEARTBEAT
    ),
    "POST /tasks/{id}/progress": Operation(
        {200: success(task(serializers.PROGRESSED))}, body=leases.PROGRESS
    ),
    "POST /tasks/heartbeat": Operation(
        {200: success(shape({"tasks": list_of(any_of(task(serializers.KEPT), ref("Refusal")))}))},
        body=leases.HEARTBEATS,
        nested={"tasks": leases.ONE_HEARTBEAT},
    ),
    "POST /tasks/{id}/release": Operation(
        {200: success(task(serializers.RELEASED))}, body=leases.RELEASE
    ),
}
