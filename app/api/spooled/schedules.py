"""Schedules: made by cron expressions alone, and known by their ids."""

from __future__ import annotations

from app.api import fields
from app.api.endpoints.schedules import LONGEST_NAME, cron, timezone
from app.api.response import Response
from app.api.spooled import serializers
from app.api.spooled.create import RETRIES
from app.api.spooled.fields import JOB, NOTHING, QUEUE
from app.errors import Conflict, NotFound, UnknownType
from app.queue.schedules import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call
    from app.db.connection import Row

SCHEDULE: dict[str, fields.Reader] = {
    "name": fields.text(LONGEST_NAME),
    "description": fields.anything,
    "cron_expression": cron,
    "timezone": timezone,
    "queue_name": QUEUE,
    "payload_template": fields.json_object,
    "priority": JOB["priority"],
    "max_retries": JOB["max_retries"],
    "timeout_seconds": JOB["timeout_seconds"],
    "tags": JOB["tags"],
    "metadata": fields.anything,
}
NEEDED = ("name", "cron_expression", "queue_name", "payload_template")
CREATE = fields.Fields(
    {name: SCHEDULE[name] for name in NEEDED},
    **{name: read for name, read in SCHEDULE.items() if name not in NEEDED},
)
UPDATE = fields.Fields({}, **SCHEDULE)
LIST = fields.Fields(
    {},
    queue_name=QUEUE,
    is_active=fields.one_of(("true", "false")),
    limit=fields.list_limit,
    offset=fields.integer(0, fields.MAX_ID),
)
HISTORY = fields.Fields({}, limit=fields.list_limit)


def list_schedules(call: Call) -> Response:
    values = call.query(LIST)
    found = [
        row
        for row in store.list_all(call.site, call.access)
        if values.get("queue_name") in (None, row["type_name"])
        and values.get("is_active") in (None, "false" if row["is_paused"] else "true")
    ]
    offset = values.get("offset", 0)
    return Response(200, [_shown(call, row) for row in found[offset : offset + _limit(values, 50)]])


def create_schedule(call: Call) -> Response:
    """An unknown queue becomes a task type that takes any payload, as with a job."""
    values = call.fields(CREATE)
    name = values["name"]
    if _is_taken(call, name):
        raise Conflict(f"There is a schedule named {name!r}: update or delete it")
    row = _put(call, name, _stored(values))
    shown = _shown(call, row)
    wanted = ("id", "name", "cron_expression", "next_run_at")
    return Response(201, {each: shown[each] for each in wanted})


def get_schedule(call: Call) -> Response:
    return Response(200, _shown(call, _schedule_of(call)))


def update_schedule(call: Call) -> Response:
    """Its queue stays as it is, as with Spooled."""
    values = call.fields(UPDATE)
    row = _schedule_of(call)
    name = values.pop("name", row["name"])
    if name != row["name"]:
        store.rename(call.site, row["name"], name, call.actor)
    kept = store.values_of(row)
    changed = _stored({**values, "queue_name": row["type_name"]})
    if "cron" in changed:
        kept.pop("every", None)
    return Response(200, _shown(call, _put(call, name, {**kept, **changed})))


def delete_schedule(call: Call) -> Response:
    call.fields(NOTHING)
    store.delete(call.site, _schedule_of(call)["name"], call.access, call.actor)
    return Response(204, None)


def pause_schedule(call: Call) -> Response:
    return _set_paused(call, True)


def resume_schedule(call: Call) -> Response:
    return _set_paused(call, False)


def trigger_schedule(call: Call) -> Response:
    """One job now, besides those of its times."""
    from app.queue.schedules.making import run_now

    call.fields(NOTHING)
    row = _schedule_of(call)
    task_id = run_now(call.site, row, call.actor)
    (newest,) = store.runs(call.site, row["id"], 1)
    return Response(200, serializers.schedule_trigger(task_id, newest))


def schedule_history(call: Call) -> Response:
    values = call.query(HISTORY)
    row = _schedule_of(call)
    runs = store.runs(call.site, row["id"], _limit(values, 10))
    return Response(200, [serializers.schedule_run(row, run) for run in runs])


def _set_paused(call: Call, paused: bool) -> Response:
    call.fields(NOTHING)
    name = _schedule_of(call)["name"]
    row = store.set_paused(call.site, name, paused, call.access, call.actor)
    return Response(200, _shown(call, row))


def _schedule_of(call: Call) -> Row:
    """The schedule in the path. Raises NotFound."""
    return store.get_by_id(call.site, call.task_id, call.access)


def _is_taken(call: Call, name: str) -> bool:
    try:
        store.get(call.site, name)
    except NotFound:
        return False
    return True


def _put(call: Call, name: str, values: dict[str, Any]) -> Row:
    from app.queue import task_types

    try:
        return store.put(call.site, name, values, call.access, call.actor)[0]
    except UnknownType:
        task_types.make_open(call.site, values["type"], max_attempts=RETRIES + 1)
        return store.put(call.site, name, values, call.access, call.actor)[0]


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    """What was given, in the words of this queue."""
    found = {
        "type": values["queue_name"],
        "cron": values.get("cron_expression"),
        "timezone": values.get("timezone"),
        "params": values.get("payload_template"),
        "priority": values.get("priority"),
        "max_attempts": values["max_retries"] + 1 if "max_retries" in values else None,
        "timeout": values.get("timeout_seconds"),
        "tags": values.get("tags"),
    }
    return {name: each for name, each in found.items() if each is not None}


def _shown(call: Call, row: Row) -> dict[str, Any]:
    return serializers.schedule(row, call.site.settings, store.count_runs(call.site, row["id"]))


def _limit(values: dict[str, Any], default: int) -> int:
    given: int = values.get("limit", default)
    return min(fields.MAX_LIMIT, given)
