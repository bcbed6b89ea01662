"""Task types: their names, schemas and settings."""

from __future__ import annotations

from app import json_text
from app.errors import Duplicate, UnknownType
from app.queue.change_id import new_change_id
from app.queue.site_times import add_time
from app.queue.upkeep import LIMITS_DUTY, NEXT_TURN, due_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

VERB_OF = {
    ("is_active", True): "activate",
    ("is_active", False): "deactivate",
    ("is_paused", True): "pause",
    ("is_paused", False): "resume",
}

LIMITS = ("rate_tasks", "rate_seconds", "max_per_key")
"""Where other values hold other tasks back."""

PAUSED_MEANWHILE = (
    "is_paused_after = CASE WHEN limits_mark IS NULL THEN is_paused ELSE is_paused_after END, "
    "is_paused = 1, limits_mark = :limits_mark"
)
"""Until the waiting tasks are in order for other limits (``upkeep/limit_changes.py``)."""

SHARE_OF_TIME = 0.5
"""Of the time of a call, to do that in."""

COLUMN_OF = {"dedupe": "dedupe_json", "retention": "retention_json"}
"""Where an option has another name in the table."""


def register(
    site: Site,
    name: str,
    version: str,
    param_schema: Any,
    options: dict[str, Any],
    access: Access | None = None,
    actor: Actor | None = None,
) -> dict[str, Any]:
    """Make the type or bring it up to date, and make it active.

    ``options`` are what a type may set besides name, version and schema. Those that are not
    named keep the value they have; None goes back to the server's.
    Returns ``{id, name, version}`` with ``created`` or ``updated`` true. Raises Forbidden for a
    name that the caller's key is not for.
    """
    if access is not None:
        access.check_types([name])
    values = {
        "name": name,
        "version": version,
        "param_schema_json": json_text.dumps(param_schema),
        **columns_of(options),
    }
    try:
        registered = site.db.run(lambda connection: _register(connection, values, actor))
    except Duplicate:  # another registered it between our look and our insert
        registered = site.db.run(lambda connection: _register(connection, values, actor))
    if registered.pop("has_other_limits"):
        put_in_order(site, registered["id"])
    return registered


def make_open(site: Site, name: str, max_attempts: int) -> None:
    """A type that takes any params, unless there is one of this name: that stays as it is, but for
    one that was deleted, which is back then.
    """
    now = site.db.dialect.now
    insert = (
        "INSERT INTO task_types (name, version, param_schema_json, max_attempts, is_active, "
        f"is_paused, created_at, updated_at) VALUES (:name, '1', '{{}}', :most, 1, 0, {now}, {now})"
    )
    values = {"name": name, "most": max_attempts}
    try:
        site.db.run(lambda connection: connection.send([(insert, values)]))
    except Duplicate:  # another got there first
        bring_back = (
            f"UPDATE task_types SET archived_at = NULL, is_active = 1, updated_at = {now} "
            "WHERE name = :name AND archived_at IS NOT NULL"
        )
        site.db.run(lambda connection: connection.send([(bring_back, {"name": name})]))


def get(site: Site, name: str, access: Access | None = None) -> Row:
    """The type with its schema and settings. Raises UnknownType."""
    _refuse_hidden(name, access)
    rows = site.db.run(
        lambda connection: connection.query("SELECT * FROM task_types WHERE name = :n", {"n": name})
    )
    if not rows:
        raise unknown_type(name)
    return rows[0]


def list_all(
    site: Site,
    active_only: bool = False,
    access: Access | None = None,
    with_archived: bool = False,
) -> list[Row]:
    """Every type, by name; those that were deleted while they had tasks only ``with_archived``."""
    visible, values = ("1 = 1", {}) if access is None else access.types()
    if active_only:
        visible += " AND is_active = 1"
    if not with_archived:
        visible += " AND archived_at IS NULL"
    sql = f"SELECT * FROM task_types WHERE {visible} ORDER BY name"
    return site.db.run(lambda connection: connection.query(sql, values))


def names(site: Site, limit: int) -> list[str]:
    """The first names of types that take tasks, for people to choose from."""
    sql = (
        "SELECT name FROM task_types WHERE is_active = 1 AND archived_at IS NULL "
        f"ORDER BY name LIMIT {int(limit)}"
    )
    return [row["name"] for row in site.db.run(lambda connection: connection.query(sql, {}))]


def set_active(
    site: Site,
    name: str,
    active: bool,
    access: Access | None = None,
    actor: Actor | None = None,
) -> Row:
    """A type that is not active takes no new tasks. Raises UnknownType."""
    return _set_flag(site, name, "is_active", active, access, actor)


def set_paused(
    site: Site,
    name: str,
    paused: bool,
    access: Access | None = None,
    actor: Actor | None = None,
) -> Row:
    """A paused type hands no tasks out. Raises UnknownType."""
    return _set_flag(site, name, "is_paused", paused, access, actor)


def seconds_paused(site: Site, name: str) -> float:
    """How long a type has been paused, as far as is known: since it was changed last. 0 if it is
    not.
    """
    since = site.db.dialect.seconds_since("updated_at")
    sql = f"SELECT {since} AS seconds FROM task_types WHERE name = :name AND is_paused = 1"
    rows = site.db.run(lambda connection: connection.query(sql, {"name": name}))
    return float(rows[0]["seconds"]) if rows else 0.0


def deleted_type(name: str, details: list[dict[str, str]] | None = None) -> UnknownType:
    return UnknownType(
        f"Task type {name!r} was deleted: register it again with POST /api/task-types/register",
        details,
    )


def unknown_type(name: str, details: list[dict[str, str]] | None = None) -> UnknownType:
    return UnknownType(
        f"Task type {name!r} not found: register it with POST /api/task-types/register", details
    )


def _register(
    connection: Connection, values: dict[str, Any], actor: Actor | None
) -> dict[str, Any]:
    shown = {"name": values["name"], "version": values["version"]}
    look = "SELECT * FROM task_types WHERE name = :name"
    known = connection.query(look, {"name": values["name"]})
    now = connection.dialect.now
    if any(values.get(column) is not None for column in LIMITS):
        # Claims learn of lanes along with the next turn of upkeep.
        connection.send([add_time(connection.dialect, NEXT_TURN)])
    # Programs that register their types at each start change nothing.
    changes_it = not known or not _is_as_given(known[0], values)
    has_other_limits = bool(known) and any(
        values.get(column, known[0][column]) != known[0][column] for column in LIMITS
    )
    noted = noted_in_audit(
        connection.dialect, actor if changes_it else None, "register", values["name"]
    )
    if known:
        changes = ", ".join(f"{column} = :{column}" for column in values if column != "name")
        if has_other_limits:
            changes += f", {PAUSED_MEANWHILE}"
        update = (
            f"UPDATE task_types SET {changes}, is_active = 1, archived_at = NULL, "
            f"updated_at = {now} WHERE name = :name",
            {**values, "limits_mark": new_change_id()},
        )
        soon = [see_to_limits_soon(connection.dialect)] if has_other_limits else []
        connection.transact([update, *noted, *soon])
        return {
            **{"id": known[0]["id"], **shown, "updated": True},
            "has_other_limits": has_other_limits,
        }
    columns = ", ".join(values)
    insert = (
        f"INSERT INTO task_types ({columns}, is_active, is_paused, created_at, updated_at) "
        f"VALUES ({', '.join(':' + column for column in values)}, 1, 0, {now}, {now})"
    )
    inserted = connection.transact([(insert, values), *noted])[0]
    return {"id": inserted.last_id, **shown, "created": True, "has_other_limits": False}


def see_to_limits_soon(sql: Dialect) -> Statement:
    """Has the next claim go on with limits that were changed, should this call not get to the end:
    their type is paused until then.
    """
    return (
        f"UPDATE settings SET value = {sql.now} WHERE name IN (:turn, :duty) AND value > {sql.now}",
        {"turn": NEXT_TURN, "duty": due_at(LIMITS_DUTY)},
    )


def columns_of(options: dict[str, Any]) -> dict[str, Any]:
    """The columns of these options with their values."""
    columns = {COLUMN_OF.get(name, name): stored(name, options[name]) for name in options}
    if "rate" in columns:
        rate = columns.pop("rate") or {"tasks": None, "seconds": None}
        columns.update(rate_tasks=rate["tasks"], rate_seconds=rate["seconds"])
    return columns


def rate_of(row: Mapping[Any, Any]) -> dict[str, float] | None:
    """As an option has it; None where there is no limit."""
    if row["rate_tasks"] is None:
        return None
    return {"tasks": row["rate_tasks"], "seconds": row["rate_seconds"]}


def paused_as(value: str) -> str:
    """Assigns this SQL to ``is_paused``, or leaves it for when other limits of the type have been
    seen to.
    """
    return (
        f"is_paused_after = CASE WHEN limits_mark IS NULL THEN NULL ELSE {value} END, "
        f"is_paused = CASE WHEN limits_mark IS NULL THEN {value} ELSE 1 END"
    )


def put_in_order(site: Site, type_id: int) -> None:
    from app.queue.upkeep.limit_changes import put_in_order  # loaded when needed

    keep = site.db.seconds_left() * (1 - SHARE_OF_TIME)
    put_in_order(site, type_id, lambda: site.db.seconds_left() < keep)


def _is_as_given(row: Row, values: dict[str, Any]) -> bool:
    return bool(row["is_active"]) and all(row[column] == values[column] for column in values)


def _refuse_hidden(name: str, access: Access | None) -> None:
    """To a key, other types than its own are unknown. And no type's name has white space around
    it, while MySQL takes ``'a '`` for ``'a'``.
    """
    if name != name.strip() or (access is not None and not access.sees(name)):
        raise unknown_type(name)


def _set_flag(
    site: Site, name: str, column: str, value: bool, access: Access | None, actor: Actor | None
) -> Row:
    _refuse_hidden(name, access)
    sql = site.db.dialect
    values = {"value": int(value), "name": name}
    is_meant = "name = :name AND archived_at IS NULL"
    changes_it = f"EXISTS (SELECT 1 FROM task_types WHERE {is_meant} AND {column} <> :value)"
    noted = noted_in_audit(sql, actor, VERB_OF[column, value], name, changes_it, values)
    flag = paused_as(":value") if column == "is_paused" else f"{column} = :value"
    update = (f"UPDATE task_types SET {flag}, updated_at = {sql.now} WHERE {is_meant}", values)
    site.db.run(lambda connection: connection.transact([*noted, update]))
    row = get(site, name)
    if row["archived_at"] is not None:
        raise deleted_type(name)
    return row


def noted_in_audit(
    sql: Dialect,
    actor: Actor | None,
    verb: str,
    name: str,
    condition: str = "1 = 1",
    values: dict[str, Any] | None = None,
    **detail: Any,
) -> list[Statement]:
    """The line of an action on a type, or no statement where nobody is named."""
    if actor is None:
        return []
    from app.queue import audit  # loaded when needed: creating tasks loads this module, too

    return audit.record(sql, actor, f"type.{verb}", name, condition, values, **detail)


def stored(option: str, value: Any) -> Any:
    """The value of an option's column."""
    return json_text.dumps(value) if option in COLUMN_OF and value is not None else value
