"""Task types: register, look at, switch on and off."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.queue import task_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.call import Call
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

MAX_DAYS = 36500
MAX_PERIOD = 31 * 86400.0
RETAINED = ("completed", "failed", "cancelled", "result")


@fields.reads(
    title="days by `completed`, `failed`, `cancelled`, `result`, each 0 to 36,500 or `null`",
    type="object",
    properties={
        name: {"type": ["number", "null"], "minimum": 0, "maximum": MAX_DAYS} for name in RETAINED
    },
    additionalProperties=False,
)
def _retention(value: Any) -> dict[str, float | None]:
    """Days by what is kept so long; null means for ever."""
    days: dict[str, float | None] = {}
    for name, given in fields.json_object(value).items():
        if name not in RETAINED:
            known = ", ".join(RETAINED)
            raise ValueError(f"has {fields.shorten(name)!r}, and may have {known}")
        try:
            days[name] = None if given is None else fields.number(0, MAX_DAYS)(given)
        except ValueError as error:
            raise ValueError(f"has {name!r}, which {error} days, or null for ever") from None
    return days


RATE = {"tasks": fields.integer(1, 1_000_000), "seconds": fields.number(0.1, MAX_PERIOD)}


@fields.reads(
    title="object with `tasks`, 1 to 1,000,000, and `seconds`, 0.1 to 2,678,400",
    type="object",
    properties={name: read.schema for name, read in RATE.items()},  # type: ignore[attr-defined]
    required=[*RATE],
    additionalProperties=False,
)
def _rate(value: Any) -> dict[str, float]:
    """So many claims in each period of so many seconds."""
    given = fields.json_object(value)
    if set(given) != set(RATE):
        raise ValueError('must have tasks and seconds, as {"tasks": 10, "seconds": 60}')
    rate = {}
    for name, read in RATE.items():
        try:
            rate[name] = read(given[name])
        except ValueError as error:
            raise ValueError(f"has {name!r}, which {error}") from None
    return rate


SETTINGS = {
    "description": fields.long_text,
    "max_attempts": fields.integer(1, 1000),
    "timeout": fields.number(0.1),
    "retry_delay": fields.number(0),
    "retry_max_delay": fields.number(0),
    "priority": fields.priority,
    "max_running": fields.integer(1, 1_000_000),
    "max_per_key": fields.integer(1, 1_000_000),
    "rate": _rate,
    "dedupe": fields.dedupe,
    "retention": _retention,
    "retention_days": fields.takes(fields.number(0), title="number, 0 to 316,224,000"),
}

REGISTER = fields.Fields(
    {"name": fields.text(255), "version": fields.text(50), "param_schema": fields.schema},
    **SETTINGS,
)
NOTHING = fields.Fields({})
LIST = fields.Fields(
    {},
    active_only=fields.one_of(("true", "false", "1", "0")),
    archived=fields.one_of(("true", "false", "1", "0")),
)


def register(call: Call) -> Response:
    from app.api.body import read_object

    given = read_object(call.request, call.site.settings.max_body_bytes)
    registered, warnings = register_from(given, call.site, access=call.access, actor=call.actor)
    call.warnings += warnings
    if "created" in registered:
        return success(registered, "Task type registered successfully", 201)
    return success(registered, "Task type updated successfully")


def register_from(
    given: Mapping[str, Any],
    site: Site,
    where: str = "",
    access: Access | None = None,
    actor: Actor | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Registers the type that an object describes: what ``task_types.register`` returns, and a
    warning for each field that is not known. ``where`` begins the paths in errors. Raises Invalid.
    """
    values, warnings = REGISTER.read(given, site.settings, where)
    if values["param_schema"] not in (True, {}, {"type": "object"}):
        from app.queue.schemas import check_schema

        check_schema(values["param_schema"])
    # A setting given as null goes back to the server's; one not given stays as it is.
    options = {name: values.get(name) for name in SETTINGS if name in given}
    registered = task_types.register(
        site, values["name"], values["version"], values["param_schema"], options, access, actor
    )
    return registered, warnings


def get(call: Call) -> Response:
    row = task_types.get(call.site, call.arguments["name"], call.access)
    return success(serializers.task_type(row), "Task type")


def list_all(call: Call) -> Response:
    given = call.read(LIST, call.request.query)
    active_only, archived = (
        given.get(name) in ("true", "1") for name in ("active_only", "archived")
    )
    rows = task_types.list_all(call.site, active_only, call.access, archived)
    found = [serializers.task_type(row) for row in rows]
    return success({"task_types": found, "count": len(found)}, "Task types")


def activate(call: Call) -> Response:
    """A type that is not active takes no new tasks."""
    call.fields(NOTHING)
    row = task_types.set_active(call.site, call.arguments["name"], True, call.access, call.actor)
    return success(serializers.task_type(row), "Task type activated successfully")


def deactivate(call: Call) -> Response:
    call.fields(NOTHING)
    row = task_types.set_active(call.site, call.arguments["name"], False, call.access, call.actor)
    return success(serializers.task_type(row), "Task type deactivated successfully")


def pause(call: Call) -> Response:
    """A paused type hands no tasks out."""
    call.fields(NOTHING)
    row = task_types.set_paused(call.site, call.arguments["name"], True, call.access, call.actor)
    return success(serializers.task_type(row), "Task type paused successfully")


def resume(call: Call) -> Response:
    call.fields(NOTHING)
    row = task_types.set_paused(call.site, call.arguments["name"], False, call.access, call.actor)
    return success(serializers.task_type(row), "Task type resumed successfully")


def delete(call: Call) -> Response:
    from app.queue.delete_type import delete_type

    call.fields(NOTHING)
    name = call.arguments["name"]
    archived = delete_type(call.site, name, call.access, call.actor)
    message = "Task type deleted successfully"
    if archived:
        message += ": it is archived, since it has ended tasks"
    return success({"name": name, "deleted": True, "archived": archived}, message)
