"""The table of schedules: what each makes, and when next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import json_text
from app.errors import Conflict, Duplicate, Invalid, NotFound
from app.queue import audit
from app.queue.new_task import Draft, NewTask
from app.queue.schedules.times import from_stored, stored, times_of
from app.queue.task_fields import FIELD_OF
from app.queue.type_check import TypeCheck

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.db.connection import Connection, Row, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

SHOWN_RUNS = 20

WITH_LAST_RUN = (
    "SELECT schedules.*, last.due_at AS last_due_at, last.task_id AS last_task_id, "
    "last.message AS last_message, tasks.status AS last_status FROM schedules "
    "LEFT JOIN schedule_runs AS last ON last.schedule_id = schedules.id AND last.due_at = ("
    "SELECT MAX(newest.due_at) FROM schedule_runs AS newest "
    "WHERE newest.schedule_id = schedules.id) "
    "LEFT JOIN tasks ON tasks.id = last.task_id"
)
"""A schedule, and what became of its newest time."""


def put(
    site: Site,
    name: str,
    values: dict[str, Any],
    access: Access | None = None,
    actor: Actor | None = None,
) -> tuple[Row, bool]:
    """Make the schedule, or give the one of this name these values; whether it was made.

    ``values`` are ``type``, ``params``, ``cron`` or ``every`` (seconds), ``timezone``, ``missed``,
    ``dedupe`` (``"active"`` leaves a time out while the task of the time before is unfinished),
    ``priority``, ``max_attempts``, ``timeout``, ``tags``, ``concurrency_key``, ``paused``. A paused
    one has no next time.

    Raises UnknownType, Forbidden, Invalid, TooLarge: for what would also refuse its tasks. Raises
    Conflict for the name of a schedule that the caller's key does not see.
    """
    if access is not None:
        access.check_types([values["type"]])
    _check_task(site, values)
    try:
        made = site.db.run(lambda connection: _put(connection, name, values, access, actor))
    except Duplicate:  # another made it between our look and our insert
        made = site.db.run(lambda connection: _put(connection, name, values, access, actor))
    return get(site, name), made


def get(site: Site, name: str, access: Access | None = None) -> Row:
    """The schedule with its last run. Raises NotFound, also for one that makes tasks of a type that
    the caller's key is not for.
    """
    _refuse_padding(name)
    visible, own = _visible(access)
    look = f"{WITH_LAST_RUN} WHERE schedules.name = :name AND {visible}"
    rows = site.db.run(lambda connection: connection.query(look, {"name": name, **own}))
    if not rows:
        raise not_found(name)
    return rows[0]


def get_by_id(site: Site, schedule_id: int, access: Access | None = None) -> Row:
    """The same by its id."""
    look = "SELECT name FROM schedules WHERE id = :id"
    rows = site.db.run(lambda connection: connection.query(look, {"id": schedule_id}))
    if not rows:
        raise not_found(f"#{schedule_id}")
    return get(site, rows[0]["name"], access)


def rename(site: Site, name: str, new_name: str, actor: Actor | None = None) -> None:
    """Raises Conflict when another has the new name."""
    sql = site.db.dialect
    update: Statement = (
        "UPDATE schedules SET name = :new_name WHERE name = :name",
        {"name": name, "new_name": new_name},
    )
    noted = audit.record(sql, actor, "schedule.put", new_name, renamed_from=name)
    try:
        site.db.run(lambda connection: connection.transact([*noted, update]))
    except Duplicate:
        raise Conflict(f"There is a schedule named {new_name!r}: choose another name") from None


def values_of(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What ``put`` takes to leave a schedule as it is."""
    return {
        "type": row["type_name"],
        "params": json_text.loads(row["params_json"]),
        "cron": row["cron"],
        "every": row["every_seconds"],
        "timezone": row["timezone"],
        "missed": row["missed"],
        "dedupe": "active" if row["skips_unfinished"] else False,
        "priority": row["priority"],
        "max_attempts": row["max_attempts"],
        "timeout": row["timeout"],
        "tags": FIELD_OF["tags"].show(row),
        "paused": bool(row["is_paused"]),
    }


def list_all(site: Site, access: Access | None = None) -> list[Row]:
    """Those that the caller's key sees, each with its last run, by name."""
    visible, own = _visible(access)
    look = f"{WITH_LAST_RUN} WHERE {visible} ORDER BY schedules.name"
    return site.db.run(lambda connection: connection.query(look, own))


def count_runs(site: Site, schedule_id: int) -> int:
    """Of how many times is known what became of them."""
    look = "SELECT COUNT(*) AS total FROM schedule_runs WHERE schedule_id = :id"
    rows = site.db.run(lambda connection: connection.query(look, {"id": schedule_id}))
    return int(rows[0]["total"])


def runs(
    site: Site, schedule_id: int, limit: int = SHOWN_RUNS, before: str | None = None
) -> list[Row]:
    """What became of its newest times, or of those before a stored time; the newest first."""
    older = (
        ""
        if before is None
        else f" AND schedule_runs.due_at < {site.db.dialect.timestamp(':before')}"
    )
    sql = (
        "SELECT schedule_runs.due_at, schedule_runs.made_at, schedule_runs.task_id, "
        "schedule_runs.message, tasks.status, tasks.error_message, tasks.completed_at "
        "FROM schedule_runs "
        "LEFT JOIN tasks ON tasks.id = schedule_runs.task_id "
        f"WHERE schedule_runs.schedule_id = :id{older} "
        f"ORDER BY schedule_runs.due_at DESC LIMIT {int(limit)}"
    )
    values = {"id": schedule_id, "before": before}
    return site.db.run(lambda connection: connection.query(sql, values))


def set_paused(
    site: Site,
    name: str,
    paused: bool,
    access: Access | None = None,
    actor: Actor | None = None,
) -> Row:
    """A paused schedule makes nothing, and what it leaves out meanwhile is not made up for. Raises
    NotFound.
    """
    get(site, name, access)
    site.db.run(lambda connection: _set_paused(connection, name, paused, actor))
    return get(site, name)


def delete(site: Site, name: str, access: Access | None = None, actor: Actor | None = None) -> None:
    """Its tasks stay. Raises NotFound."""
    get(site, name, access)
    there = "EXISTS (SELECT 1 FROM schedules WHERE name = :name)"
    statements: list[Statement] = [
        *audit.record(site.db.dialect, actor, "schedule.delete", name, there, {"name": name}),
        (
            "DELETE FROM schedule_runs WHERE schedule_id IN "
            "(SELECT id FROM schedules WHERE name = :name)",
            {"name": name},
        ),
        ("DELETE FROM schedules WHERE name = :name", {"name": name}),
    ]
    results = site.db.run(lambda connection: connection.transact(statements))
    if not results[-1].changed:
        raise not_found(name)


def task_of(row: Row) -> NewTask:
    """The task that it makes, without what tells one time from another. Its last tag names it."""
    return NewTask(
        row["type_name"],
        json_text.loads(row["params_json"]),
        priority=row["priority"],
        max_attempts=row["max_attempts"],
        timeout=row["timeout"],
        tags=[*FIELD_OF["tags"].show(row), f"schedule:{row['name']}"],
        concurrency_key=row["concurrency_key"],
        dedupe=False,
    )


def not_found(name: str) -> NotFound:
    return NotFound(f"Schedule {name!r} not found: GET /api/schedules lists them")


def _refuse_padding(name: str) -> None:
    """No schedule's name has white space around it, and MySQL takes ``'a '`` for ``'a'``."""
    if name != name.strip():
        raise not_found(name)


def _visible(access: Access | None) -> Statement:
    """True of the schedules that make tasks of the types that a key is for."""
    return ("1 = 1", {}) if access is None else access.types("schedules.type_name")


def _check_task(site: Site, values: dict[str, Any]) -> None:
    draft = Draft(site, NewTask(values["type"], values["params"], dedupe=False))
    look = ("SELECT * FROM task_types WHERE name = :name", {"name": values["type"]})
    types = site.db.run(lambda connection: connection.query(*look))
    TypeCheck(site, [draft]).typed(types)


def _put(
    connection: Connection,
    name: str,
    values: dict[str, Any],
    access: Access | None,
    actor: Actor | None,
) -> bool:
    sql = connection.dialect
    noted = audit.record(sql, actor, "schedule.put", name)
    known, clock = connection.send(
        [
            ("SELECT id, type_name FROM schedules WHERE name = :name", {"name": name}),
            (f"SELECT {sql.now} AS now", {}),
        ]
    )
    if known.rows and access is not None and not access.sees(known.rows[0]["type_name"]):
        raise Conflict(
            f"The name {name!r} is taken by a schedule of a task type that the API key is not for: "
            "choose another name"
        )
    columns = _columns(values)
    paused = values.get("paused")
    columns["next_at"] = None if paused else _first(columns, clock.rows[0]["now"])
    if not known.rows:
        cells = ", ".join(f":{column}" for column in columns)
        insert = (
            f"INSERT INTO schedules (name, {', '.join(columns)}, created_at, updated_at) "
            f"VALUES (:name, {cells}, {sql.now}, {sql.now})"
        )
        connection.transact([(insert, {**columns, "name": name}), *noted])
        return True
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    update = f"UPDATE schedules SET {changes}, updated_at = {sql.now} WHERE id = :id"
    connection.transact([(update, {**columns, "id": known.rows[0]["id"]}), *noted])
    return False


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "type_name": values["type"],
        "params_json": json_text.dumps(values["params"]),
        "cron": values.get("cron"),
        "every_seconds": values.get("every"),
        "timezone": values.get("timezone") or "UTC",
        "missed": values.get("missed") or "once",
        "skips_unfinished": int(values.get("dedupe") == "active"),
        "priority": values.get("priority"),
        "max_attempts": values.get("max_attempts"),
        "timeout": values.get("timeout"),
        "tags": _tag_lines(values.get("tags")),
        "concurrency_key": values.get("concurrency_key"),
        "is_paused": int(bool(values.get("paused"))),
    }


def _tag_lines(tags: list[str] | None) -> str | None:
    store = FIELD_OF["tags"].store
    lines: str | None = store(tags) if store else None
    return lines


def _first(columns: dict[str, Any], now: str) -> str:
    first = next(times_of(columns).after(from_stored(now)), None)
    if first is None:
        message = "has no time that is still to come"
        raise Invalid(f"cron {message}", [{"path": "cron", "message": message}])
    return stored(first)


def _set_paused(connection: Connection, name: str, paused: bool, actor: Actor | None) -> None:
    sql = connection.dialect
    rows = connection.query(
        f"SELECT schedules.*, {sql.now} AS now FROM schedules WHERE name = :name", {"name": name}
    )
    if not rows:
        raise not_found(name)
    if bool(rows[0]["is_paused"]) == paused:
        return
    update = (
        f"UPDATE schedules SET is_paused = :paused, next_at = :next, updated_at = {sql.now} "
        "WHERE id = :id"
    )
    first = None if paused else _first(rows[0], rows[0]["now"])
    values = {"paused": int(paused), "next": first, "id": rows[0]["id"]}
    verb = "pause" if paused else "resume"
    noted = audit.record(sql, actor, f"schedule.{verb}", name)
    connection.transact([(update, values), *noted])
