"""Reading jobs by their ids; retrying and cancelling one, and changing its priority."""

from __future__ import annotations

from app.api import fields
from app.api.response import Response
from app.api.spooled.fields import NOTHING, job_ids
from app.api.spooled.serializers import job, job_event, job_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

MAX_EVENTS = 500


@fields.reads(title="at most 100 ids, with commas between them", type="string")
def ids_in_text(value: Any) -> list[int]:
    """Ids with commas between them, as a query has them."""
    parts = [part.strip() for part in fields.long_text(value).split(",")]
    return job_ids([part for part in parts if part])


PRIORITY = fields.Fields({"priority": fields.priority})
STATUS = fields.Fields({"ids": ids_in_text})
HISTORY = fields.Fields(
    {},
    order_dir=fields.one_of(("asc", "desc")),
    limit=fields.integer(1, MAX_EVENTS),
    offset=fields.integer(0, fields.MAX_ID),
)


def get_job(call: Call) -> Response:
    from app.queue.find_task import find_task

    return Response(200, job(find_task(call.site, call.task_id, call.access), call.site.settings))


def status_of_jobs(call: Call) -> Response:
    """Jobs that are not there are left out."""
    from app.queue.find_task import find_tasks

    task_ids = call.read(STATUS, call.request.query)["ids"]
    rows = find_tasks(call.site, task_ids, call.access)
    return Response(200, [job_status(row) for row in rows])


def job_history(call: Call) -> Response:
    from app.queue import history

    values = call.query(HISTORY)
    limit, offset = values.get("limit", 100), values.get("offset", 0)
    lines = history.read(call.site, call.task_id, call.access)
    events = [job_event(call.task_id, position, row) for position, row in enumerate(lines)]
    if values.get("order_dir") == "desc":
        events.reverse()
    has_more = "true" if len(events) > offset + limit else "false"
    return Response(200, events[offset : offset + limit], {"X-Has-More": has_more})


def set_priority(call: Call) -> Response:
    from app.queue import priority

    wanted = call.fields(PRIORITY)["priority"]
    before, _ = priority.set_priority(call.site, call.task_id, wanted, call.access, call.actor)
    payload = {"job_id": str(call.task_id), "old_priority": before, "new_priority": wanted}
    return Response(200, payload)


def retry_job(call: Call) -> Response:
    from app.queue.retry import retry

    call.fields(NOTHING)
    row = retry(call.site, call.task_id, call.access, call.actor)
    return Response(200, job(row, call.site.settings))


def cancel_job(call: Call) -> Response:
    from app.queue.cancel import cancel

    call.fields(NOTHING)
    cancel(call.site, call.task_id, call.access, call.actor)
    return Response(204, None)
