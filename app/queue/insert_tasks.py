"""The INSERT of new tasks, many in one statement, and how their ids are found."""

from __future__ import annotations

from app.queue import history, lanes
from app.queue.bound_values import BoundValues
from app.queue.change_id import new_change_id
from app.queue.task_fields import STORED_AS_GIVEN, urgency_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Statement
    from app.queue.new_task import TypedDraft
    from app.site import Site

OWN_VALUES = 7 + len(STORED_AS_GIVEN)
"""How many values of its own a task may have in the statement."""

MOST_ROWS = (999 - 1) // OWN_VALUES
"""How many tasks one statement makes: old versions of SQLite allow 999 values in it."""

MADE_COLUMNS = "id, status, urgency, dedupe_key, created_at"
"""What is read of the tasks that were made."""


def insert_tasks(site: Site, drafts: Sequence[TypedDraft]) -> list[Statement]:
    """Makes a task of each draft; reads the tasks, in the order of the drafts; tells of them.

    A row gets a higher id than the rows before it in its statement, but other calls may get ids in
    between, so rows are known by the change that made them.
    """
    sql = site.db.dialect
    change_id = new_change_id()
    made = f"id = {sql.last_id}"
    if len(drafts) > 1:
        made = f"id >= {sql.first_id(len(drafts))} AND change_id = :change_id"
    select = f"SELECT {MADE_COLUMNS} FROM tasks {sql.by_primary_key} WHERE {made} ORDER BY id"
    # Before the history, whose INSERT changes the last id.
    tagged = _insert_tags(sql, made, drafts, change_id)
    told = history.record(site.settings, sql, made, worker="NULL", change_id=change_id)
    are_held_back = any(each.ready_status != "pending" for each in drafts)
    due = [lanes.make_new_due(sql, made, len(drafts), change_id)] if are_held_back else []
    insert = _insert(site, drafts, change_id)
    return [insert, (select, {"change_id": change_id}), *tagged, *due, *told]


def _insert_tags(
    sql: Dialect, made: str, drafts: Sequence[TypedDraft], change_id: int
) -> list[Statement]:
    tags = [tag for each in drafts for tag in each.task.as_given.get("tags") or ()]
    if not tags:
        return []
    from app.queue import task_tags  # loaded when needed

    return task_tags.insert(sql, made, tags, change_id)


def _insert(site: Site, drafts: Sequence[TypedDraft], change_id: int) -> Statement:
    sql = site.db.dialect
    bound = BoundValues()
    bound.values["change_id"] = change_id
    due = _due(sql, bound, drafts)
    columns = {
        "type_id": bound.names("type_id", [each.type["id"] for each in drafts]),
        "status": [
            _if_later(sql, at, "'scheduled'", f"'{each.ready_status}'")
            for at, each in zip(due, drafts)
        ],
        "key_slot": [
            _if_later(sql, at, "NULL", "NULL" if each.ready_slot is None else str(each.ready_slot))
            for at, each in zip(due, drafts)
        ],
        "urgency": bound.names("urgency", [urgency_of(each.priority) for each in drafts]),
        "due_at": [_if_later(sql, each, each, "NULL") for each in due],
        "attempts": ["0"] * len(drafts),
        "max_attempts": bound.names(
            "max_attempts", [each.max_attempts(site.settings) for each in drafts]
        ),
        "change_id": [":change_id"] * len(drafts),
        "cancel_requested": ["0"] * len(drafts),
        "dedupe_key": bound.names("dedupe_key", [each.unique_key for each in drafts]),
        "params_json": bound.names("params", [each.params_json for each in drafts]),
        "created_at": [sql.now] * len(drafts),
    }
    for field, store in STORED_AS_GIVEN:
        given = [store(each.task.as_given.get(field.name)) for each in drafts]
        columns[field.column] = bound.names(field.column, given)
    rows = ", ".join(f"({', '.join(row)})" for row in zip(*columns.values()))
    return f"INSERT INTO tasks ({', '.join(columns)}) VALUES {rows}", bound.values


def _due(sql: Dialect, bound: BoundValues, drafts: Sequence[TypedDraft]) -> list[str]:
    """SQL for the time from which each task may be claimed; empty where that is at once."""
    run_at = bound.names("run_at", [each.task.run_at for each in drafts])
    delay = bound.names("delay", [each.task.delay for each in drafts])
    due = []
    for position, draft in enumerate(drafts):
        if draft.task.run_at:
            due.append(sql.timestamp(run_at[position]))
        else:
            due.append(sql.after(delay[position]) if draft.task.delay else "")
    return due


def _if_later(sql: Dialect, due: str, then: str, otherwise: str) -> str:
    return f"CASE WHEN {due} > {sql.now} THEN {then} ELSE {otherwise} END" if due else otherwise
