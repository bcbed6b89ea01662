"""Task types: register, look at, switch on and off."""

from __future__ import annotations

from app.api import fields
from app.api.http import Response, success
from app.queue import task_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

SETTINGS = {
    "description": fields.long_text,
    "max_attempts": fields.integer(1, 1000),
    "timeout": fields.number(0.1),
    "retry_delay": fields.number(0),
    "retry_max_delay": fields.number(0),
    "priority": fields.integer(-fields.MAX_PRIORITY, fields.MAX_PRIORITY),
    "max_running": fields.integer(1, 1_000_000),
    "dedupe": fields.dedupe,
    "retention_days": fields.number(0),
}

REGISTER = fields.Fields(
    {"name": fields.text(255), "version": fields.text(50), "param_schema": fields.schema},
    **SETTINGS,
)
LIST = fields.Fields({}, active_only=fields.one_of(("true", "false", "1", "0")))


def register(call: Call) -> Response:
    from app.api.body import read_object

    values = call.fields(REGISTER)
    if values["param_schema"] not in (True, {}, {"type": "object"}):
        from app.queue.schemas import check_schema

        check_schema(values["param_schema"])
    given = read_object(call.request, call.site.settings.max_body_bytes)
    # A setting given as null goes back to the server's; one not given stays as it is.
    options = {name: values.get(name) for name in SETTINGS if name in given}
    registered = task_types.register(
        call.site, values["name"], values["version"], values["param_schema"], options
    )
    if "created" in registered:
        return success(registered, "Task type registered successfully", 201)
    return success(registered, "Task type updated successfully")


def get(call: Call) -> Response:
    return success(task_types.get(call.site, call.arguments["name"]), "Task type")


def list_all(call: Call) -> Response:
    active_only = call.read(LIST, call.request.query).get("active_only") in ("true", "1")
    found = task_types.list_all(call.site, active_only)
    return success({"task_types": found, "count": len(found)}, "Task types")


def switch(call: Call) -> Response:
    """``activate`` and ``deactivate`` decide about new tasks, ``pause`` and ``resume`` about
    handing them out.
    """
    call.fields(fields.Fields({}))
    action = call.arguments["action"]
    change = (
        task_types.set_active if action in ("activate", "deactivate") else task_types.set_paused
    )
    value = action in ("activate", "pause")
    return success(
        change(call.site, call.arguments["name"], value), f"Task type {action}d successfully"
    )
