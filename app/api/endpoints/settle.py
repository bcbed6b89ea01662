"""Settling claimed tasks, one or many, with a new claim folded in where asked for."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.endpoints.claim import FOLDED_CLAIM, take
from app.api.endpoints.leases import HOLDER
from app.api.response import Response, success
from app.errors import TooLarge
from app.json_text import dumps
from app.queue.fencing import LeaseRef
from app.queue.release import Release
from app.queue.settle import Completion, Failure, Outcome, SettleResult, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.db.connection import Row

MAX_OUTCOMES = 100
MAX_ERROR_BYTES = 64 * 1024
CUT_MARK = "… [cut]"

FAILURE: dict[str, fields.Reader] = {
    "error": fields.error_text,
    "traceback": fields.error_text,
    "trace": fields.error_text,
    "stack": fields.error_text,
    "retry": fields.boolean,
    "delay": fields.number(0),
}
OUTCOME: dict[str, fields.Reader] = {
    "success": fields.boolean,
    "result": fields.anything,
    **FAILURE,
}
OUTCOME_OF_MANY: dict[str, fields.Reader] = {**OUTCOME, "release": fields.boolean}
COMPLETE = fields.Fields({}, **HOLDER, **OUTCOME, claim=fields.json_object)
FAIL = fields.Fields({}, **HOLDER, **FAILURE, claim=fields.json_object)
SETTLE = fields.Fields(
    {"outcomes": fields.list_of(fields.anything, MAX_OUTCOMES)},
    worker_id=HOLDER["worker_id"],
    claim=fields.json_object,
)
ONE_OUTCOME = fields.Fields({"id": fields.integer(1, fields.MAX_ID)}, **HOLDER, **OUTCOME_OF_MANY)


def complete(call: Call) -> Response:
    values = call.fields(COMPLETE)
    return _settle_one(call, values, values.get("success", True))


def fail(call: Call) -> Response:
    return _settle_one(call, call.fields(FAIL), False)


def settle_many(call: Call) -> Response:
    """Each outcome is accepted or refused on its own: a refused one does not fail the call."""
    values = call.fields(SETTLE)
    worker_id = values.get("worker_id")
    outcomes = _outcomes(call, values["outcomes"], worker_id)
    options = _claim_options(call, values, worker_id)
    results = settle(call.site, outcomes) if outcomes else []
    data: dict[str, Any] = {"settled": [_brief(each) for each in results]}
    done = sum(each.refusal is None for each in results)
    if options is not None:
        data["tasks"] = take(call, options, options["worker_id"])
    return success(data, f"{done} of {len(results)} settled successfully")


def _settle_one(call: Call, values: dict[str, Any], succeeded: bool) -> Response:
    worker_id = values.get("worker_id")
    lease_ref = LeaseRef(call.task_id, worker_id, values.get("attempt"), call.access)
    options = _claim_options(call, values, worker_id)
    outcome = _outcome(call, lease_ref, values, succeeded, "")
    result = settle(call.site, [outcome])[0]
    data = _ended(outcome, result.row_or_refusal())
    if options is not None:
        data["tasks"] = take(call, options, options["worker_id"])
    return success(
        data, "Task completed successfully" if succeeded else "Failure recorded successfully"
    )


def _outcomes(call: Call, given: list[Any], worker_id: str | None) -> list[Outcome]:
    return fields.read_each(
        given, "outcomes", lambda each, where: _one_of_many(call, each, worker_id, where)
    )


def _one_of_many(call: Call, given: dict[str, Any], worker_id: str | None, where: str) -> Outcome:
    values = call.read(ONE_OUTCOME, given, where)
    worker_id = values.get("worker_id", worker_id)
    lease_ref = LeaseRef(values["id"], worker_id, values.get("attempt"), call.access)
    if values.get("release", False):
        return Release(lease_ref, values.get("delay", 0.0))
    return _outcome(call, lease_ref, values, values.get("success", True), where)


def _outcome(
    call: Call, lease_ref: LeaseRef, values: dict[str, Any], succeeded: bool, where: str
) -> Outcome:
    if succeeded:
        return Completion(lease_ref, result_json(call, values, where))
    traceback = values.get("traceback") or values.get("trace") or values.get("stack")
    return Failure(
        lease_ref,
        cut(values.get("error", "")),
        cut(traceback) if traceback else None,
        values.get("retry", True),
        values.get("delay"),
    )


def result_json(call: Call, values: dict[str, Any], where: str) -> str | None:
    """The result as it is stored. Raises Invalid or TooLarge."""
    if "result" not in values:
        return None
    try:
        text = dumps(values["result"])
    except ValueError:
        message = "holds a number that JSON does not have"
        raise fields.invalid([{"path": f"{where}result", "message": message}]) from None
    size, most = len(text.encode("utf-8")), call.site.settings.max_result_bytes
    if size > most:
        raise TooLarge(
            f"{where}result has {size} bytes and may have {most} (MAX_RESULT_BYTES): "
            "store it elsewhere and settle with its address"
        )
    return text


def _claim_options(
    call: Call, values: dict[str, Any], worker_id: str | None
) -> dict[str, Any] | None:
    """What the folded claim asks for, checked before anything is settled."""
    if "claim" not in values:
        return None
    options = call.read(FOLDED_CLAIM, values["claim"], "claim.")
    options.setdefault("worker_id", worker_id)
    if options["worker_id"] is None:
        raise fields.invalid([{"path": "worker_id", "message": "is required with claim"}])
    return options


def cut(text: str) -> str:
    """An error as long as it may be, marked where it was longer."""
    encoded = text.encode("utf-8")
    if len(encoded) <= MAX_ERROR_BYTES:
        return text
    room = MAX_ERROR_BYTES - len(CUT_MARK.encode("utf-8"))
    return encoded[:room].decode("utf-8", "ignore") + CUT_MARK


def _ended(outcome: Outcome, row: Row) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return serializers.failed_task(row)
    if isinstance(outcome, Release):
        return serializers.task(row, serializers.RELEASED)
    return serializers.task(row, serializers.COMPLETED)


def _brief(result: SettleResult) -> dict[str, Any]:
    if result.refusal is not None:
        return serializers.refusal(result, result.refusal)
    return _ended(result.outcome, result.row)
