"""What people do to many tasks at once."""

from __future__ import annotations

from app.api import fields
from app.api.endpoints.tasks import FILTERS
from app.api.response import Response, success
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.queue.bulk import BulkChange
    from app.queue.task_action import TaskAction

MOST = 1000

BULK = fields.Fields(
    {},
    ids=fields.list_of(fields.integer(1, fields.MAX_ID), MOST),
    filter=fields.json_object,
    dry_run=fields.boolean,
    limit=fields.integer(1, MOST),
    before_id=fields.integer(1, fields.MAX_ID),
)
FILTER = fields.Fields({}, **FILTERS)


def retry(call: Call) -> Response:
    from app.queue.retry import RETRY

    return _change(call, RETRY, "retried")


def cancel(call: Call) -> Response:
    from app.queue.cancel import CANCEL

    return _change(call, CANCEL, "cancelled")


def delete(call: Call) -> Response:
    from app.queue.delete import DELETE

    return _change(call, DELETE, "deleted")


def _change(call: Call, action: TaskAction, done: str) -> Response:
    from app.queue.bulk import BulkRequest, change_many

    values = call.fields(BULK)
    is_dry_run = values.get("dry_run", False)
    request = BulkRequest(
        values.get("ids"),
        _filters(call, values),
        values.get("limit", MOST),
        values.get("before_id"),
        call.access,
        call.actor,
    )
    result = change_many(call.site, action, request, is_dry_run)
    data = {"dry_run": is_dry_run, **_shown(result)}
    if is_dry_run:
        would = counted(result.matched.total, "task")
        return success(data, f"{would} would be {done}, nothing was changed")
    return success(data, f"{counted(result.changed, 'task')} {done}")


def _filters(call: Call, values: dict[str, Any]) -> dict[str, Any]:
    """Raises Invalid when it is unclear which tasks are meant: then none is touched."""
    if ("ids" in values) == ("filter" in values):
        message = "must be given, or ids: one of the two says which tasks are meant"
        raise fields.invalid([{"path": "filter", "message": message}])
    if "ids" in values:
        return {}
    unknown = [name for name in values["filter"] if name not in FILTER.readers]
    if unknown:
        known = ", ".join(FILTER.readers)
        raise fields.invalid(
            [
                {"path": f"filter.{fields.shorten(name)}", "message": f"is none of {known}"}
                for name in unknown[: fields.MAX_UNKNOWN]
            ]
        )
    filters = call.read(FILTER, values["filter"], "filter.")
    if not filters:
        message = 'is empty: name what the tasks must have; {"type": "%"} means all of them'
        raise fields.invalid([{"path": "filter", "message": message}])
    return filters


def _shown(result: BulkChange) -> dict[str, Any]:
    return {
        "matched": result.matched.total,
        "matched_is_capped": result.matched.is_capped,
        "changed": result.changed,
        "skipped": result.skipped,
        "reasons": [
            {"id": task_id, "code": refusal.code, "error": refusal.message}
            for task_id, refusal in result.reasons
        ],
        "remaining": result.remaining.total,
        "remaining_is_capped": result.remaining.is_capped,
        "next_before_id": result.next_before_id,
    }
