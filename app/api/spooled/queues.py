"""Queues, which are task types: their settings, pausing them."""

from __future__ import annotations

from app.api import fields
from app.api.response import Response
from app.api.spooled import serializers
from app.api.spooled.fields import NOTHING
from app.errors import NotFound, UnknownType
from app.queue import task_types
from app.times import to_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call
    from app.db.connection import Row

PAUSE = fields.Fields({}, reason=fields.long_text)


def list_queues(call: Call) -> Response:
    settings = call.site.settings
    rows = task_types.list_all(call.site, access=call.access)
    return Response(200, [serializers.queue_summary(row, settings) for row in rows])


def get_queue(call: Call) -> Response:
    return Response(200, serializers.queue(queue_of(call), call.site.settings))


def pause_queue(call: Call) -> Response:
    values = call.fields(PAUSE)
    row = _set_paused(call, True)
    payload = {
        "queue_name": row["name"],
        "paused": True,
        "paused_at": to_iso(row["updated_at"]),
        "reason": values.get("reason"),
    }
    return Response(200, payload)


def resume_queue(call: Call) -> Response:
    call.fields(NOTHING)
    seconds = task_types.seconds_paused(call.site, queue_of(call)["name"])
    row = _set_paused(call, False)
    payload = {
        "queue_name": row["name"],
        "resumed": True,
        "paused_duration_secs": max(0, int(seconds)),
    }
    return Response(200, payload)


def queue_of(call: Call) -> Row:
    """The queue in the path. Raises NotFound."""
    try:
        return task_types.get(call.site, call.arguments["name"], call.access)
    except UnknownType:
        raise _not_found(call) from None


def _set_paused(call: Call, paused: bool) -> Row:
    name = call.arguments["name"]
    try:
        return task_types.set_paused(call.site, name, paused, call.access, call.actor)
    except UnknownType:
        raise _not_found(call) from None


def _not_found(call: Call) -> NotFound:
    name = fields.shorten(call.arguments["name"])
    return NotFound(f"Queue {name!r} not found: one is made with its first job")
