"""Registering a type, or a new version of one, without a shell."""

from __future__ import annotations

from app.api.endpoints.task_types import register_from
from app.dashboard.display.filters import pretty
from app.dashboard.type_address import type_path
from app.errors import Invalid, UnknownType
from app.json_text import loads
from app.queue import task_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

FIELDS = ("name", "version", "description", "param_schema")
EXAMPLE = {
    "type": "object",
    "properties": {"to": {"type": "string", "description": "Who gets the mail."}},
    "required": ["to"],
}


def show(visit: Visit) -> PageResponse:
    values = {"name": "", "version": "1", "description": "", "param_schema": pretty(EXAMPLE)}
    name = visit.query.get("type")
    if name:
        values.update(_values_of(visit, name))
    return _page(visit, values, [])


def refill(visit: Visit) -> Response:
    """The form as it was filled in."""
    return _page(visit, _sent(visit), [])


def register(visit: Visit) -> Response:
    values = _sent(visit)
    given: dict[str, Any] = {
        "name": values["name"],
        "version": values["version"],
        # As text: the API says where it is no JSON.
        "param_schema": values["param_schema"] or "{}",
        "description": values["description"].replace("\r\n", "\n") or None,
    }
    try:
        registered, _ = register_from(given, visit.site, actor=visit.actor)
    except Invalid as error:
        return _page(visit, values, error.details, 400)
    path, fields = type_path(values["name"])
    done = "registered" if "created" in registered else "updated"
    return visit.redirect(path, f"The type is {done}, and active.", **fields)


def _sent(visit: Visit) -> dict[str, str]:
    return {name: visit.form.get(name) for name in FIELDS}


def _values_of(visit: Visit, name: str) -> dict[str, str]:
    try:
        row = task_types.get(visit.site, name)
    except UnknownType:
        return {"name": name}
    return {
        "name": name,
        "version": row["version"],
        "description": row["description"] or "",
        "param_schema": pretty(loads(row["param_schema_json"])),
    }


def _page(
    visit: Visit, values: dict[str, str], errors: list[dict[str, str]], status: int = 200
) -> PageResponse:
    """Errors inside the schema are shown below it, with their places."""
    at_fields: dict[str, list[str]] = {name: [] for name in FIELDS}
    for error in errors:
        field = next((name for name in FIELDS if error["path"].startswith(name)), "param_schema")
        inside = error["path"][len(field) :].lstrip(".")
        at_fields[field].append(f"{inside} {error['message']}".strip())
    return visit.render("types/register.html", status, values=values, errors=at_fields)
