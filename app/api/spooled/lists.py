"""Lists of jobs: all of them with filters, and the dead letters."""

from __future__ import annotations

from app.api import fields
from app.api.response import Response
from app.api.spooled.fields import QUEUE, unsupported
from app.api.spooled.serializers import job_summary
from app.queue import listing, waiting_again
from app.queue.lanes import READY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.api.call import Call

    Row = Mapping[Any, Any]

STORED = {
    "pending": (*READY, "scheduled"),
    "scheduled": ("scheduled",),
    "processing": ("claimed",),
    "completed": ("completed",),
    "failed": (),
    "deadletter": ("failed",),
    "cancelled": ("cancelled",),
}
"""What may be asked for, and how it is stored. Here a job that has failed for good is a dead letter
at once, so none is ``failed``.
"""


@fields.reads(
    title=f"one or more of {', '.join(f'`{each}`' for each in STORED)}, with commas between them",
    type="string",
)
def statuses(value: Any) -> list[str]:
    """One status, or several with commas between them."""
    one = fields.one_of(tuple(STORED))
    return [one(part.strip()) for part in fields.long_text(value).split(",")]


DEAD_LETTERS = fields.Fields(
    {},
    queue_name=QUEUE,
    tag=fields.text(50),
    created_after=fields.time,
    created_before=fields.time,
    limit=fields.list_limit,
    offset=fields.integer(0, fields.MAX_ID),
    order_by=fields.one_of(("created_at",)),
    order_dir=fields.one_of(("desc",)),
    q=unsupported,
    job_type=unsupported,
)
LIST = fields.Fields({}, **DEAD_LETTERS.readers, status=statuses)


def list_jobs(call: Call) -> Response:
    values = call.query(LIST)
    asked = values.pop("status", None)
    return _page(call, values, {} if asked is None else _of_statuses(set(asked)))


def list_dead_letters(call: Call) -> Response:
    values = call.query(DEAD_LETTERS)
    return _page(call, values, _of_statuses({"deadletter"}))


def _of_statuses(asked: set[str]) -> dict[str, Any]:
    """Filters of the queue. A scheduled task that failed before is a pending job here."""
    stored = dict.fromkeys(status for each in asked for status in STORED[each])
    filters: dict[str, Any] = {"stored_statuses": tuple(stored)}
    if ("pending" in asked) != ("scheduled" in asked):
        filters["has_failed"] = "pending" in asked
    return filters


def _page(call: Call, values: dict[str, Any], filters: dict[str, Any]) -> Response:
    """One job more is read than is shown, to tell whether there is another page."""
    limit, offset = call.take_limit(values), values.get("offset", 0)
    if "queue_name" in values:
        filters["type"] = listing.exactly(values["queue_name"])
    given = ("tag", "created_after", "created_before")
    filters.update((name, values[name]) for name in given if name in values)
    found = _find(call, filters, limit + 1, offset)
    has_more = "true" if len(found) > limit else "false"
    return Response(200, [job_summary(row) for row in found[:limit]], {"X-Has-More": has_more})


def _find(call: Call, filters: dict[str, Any], limit: int, offset: int) -> Sequence[Row]:
    if filters.get("stored_statuses") == ():
        return []
    if not filters.get("has_failed"):
        return listing.find(call.site, filters, limit, offset, call.access)
    waiting_again.note_all_once(call.site)
    others = {**filters, "stored_statuses": _without_scheduled(filters["stored_statuses"])}
    del others["has_failed"]
    waiting = {**filters, "stored_statuses": ("scheduled",)}
    return listing.find_in_any(call.site, [others, waiting], limit, offset, call.access)


def _without_scheduled(stored: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in stored if each != "scheduled")
