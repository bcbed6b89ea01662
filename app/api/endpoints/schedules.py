"""Schedules: make, look at, pause, run now, delete."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.body import read_object
from app.api.response import Response, success
from app.errors import Invalid
from app.queue.schedules import store
from app.queue.schedules.times import SHORTEST_INTERVAL, check_cron, check_timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.call import Call
    from app.db.connection import Row
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

LONGEST_NAME = 40
"""Each task has the tag ``schedule:NAME``, and a tag has 50 characters at most."""


@fields.reads(title="cron expression", type="string", maxLength=200)
def cron(value: Any) -> str:
    return check_cron(fields.text(200)(value))


@fields.reads(title="IANA time zone", type="string", maxLength=64)
def timezone(value: Any) -> str:
    return check_timezone(fields.text(64)(value))


@fields.reads(title='`"active"` or `false`', enum=["active", False])
def dedupe(value: Any) -> Any:
    if value is False or (isinstance(value, str) and value.lower() == "active"):
        return value and "active"
    raise ValueError(
        'must be "active" (a time is left out while the task of the time before is unfinished) '
        "or false"
    )


SCHEDULE = fields.Fields(
    {"name": fields.text(LONGEST_NAME), "type": fields.text(255)},
    params=fields.json_object,
    cron=cron,
    every=fields.number(SHORTEST_INTERVAL),
    timezone=timezone,
    missed=fields.one_of(("skip", "once", "all")),
    dedupe=dedupe,
    priority=fields.priority,
    max_attempts=fields.integer(1, 1000),
    timeout=fields.number(0.1),
    tags=fields.tags,
    concurrency_key=fields.text(191),
    paused=fields.boolean,
)
NOTHING = fields.Fields({})


def put(call: Call) -> Response:
    """A schedule of a new name, or other values for a known one."""
    given = read_object(call.request, call.site.settings.max_body_bytes)
    row, is_new, warnings = put_from(given, call.site, access=call.access, actor=call.actor)
    call.warnings += warnings
    if is_new:
        return success(serializers.schedule(row), "Schedule created successfully", 201)
    return success(serializers.schedule(row), "Schedule updated successfully")


def put_from(
    given: Mapping[str, Any],
    site: Site,
    where: str = "",
    access: Access | None = None,
    actor: Actor | None = None,
) -> tuple[Row, bool, list[str]]:
    """The schedule that these fields make or change, whether it is new, and warnings. ``where``
    begins the paths in errors.
    """
    values, warnings = SCHEDULE.read(given, site.settings, where)
    if ("cron" in values) == ("every" in values):
        message = 'give either cron, like "30 4 * * *", or every, in seconds'
        raise Invalid(f"{where}{message}", [{"path": f"{where}cron", "message": message}])
    values.setdefault("params", {})
    row, is_new = store.put(site, values.pop("name"), values, access, actor)
    return row, is_new, warnings


def list_all(call: Call) -> Response:
    found = [serializers.schedule(row) for row in store.list_all(call.site, call.access)]
    return success({"schedules": found, "count": len(found)}, "Schedules")


def get(call: Call) -> Response:
    row = store.get(call.site, call.arguments["name"], call.access)
    runs = [serializers.schedule_run(run) for run in store.runs(call.site, row["id"])]
    return success({**serializers.schedule(row), "runs": runs}, "Schedule")


def pause(call: Call) -> Response:
    """A paused schedule makes nothing, and what it leaves out is not made up for."""
    call.fields(NOTHING)
    row = store.set_paused(call.site, call.arguments["name"], True, call.access, call.actor)
    return success(serializers.schedule(row), "Schedule paused successfully")


def resume(call: Call) -> Response:
    call.fields(NOTHING)
    row = store.set_paused(call.site, call.arguments["name"], False, call.access, call.actor)
    return success(serializers.schedule(row), "Schedule resumed successfully")


def run(call: Call) -> Response:
    """One task now, besides those of its times."""
    from app.queue.schedules.making import run_now

    call.fields(NOTHING)
    row = store.get(call.site, call.arguments["name"], call.access)
    task_id = run_now(call.site, row, call.actor)
    return success({"task_id": task_id}, "Task created successfully", 201)


def delete(call: Call) -> Response:
    """Its tasks stay."""
    call.fields(NOTHING)
    name = call.arguments["name"]
    store.delete(call.site, name, call.access, call.actor)
    return success({"name": name, "deleted": True}, "Schedule deleted successfully")
