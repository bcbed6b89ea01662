"""Creating tasks: checked against their type, made once even when asked for twice."""

from __future__ import annotations

from app.db.connection import id_list, text_list
from app.errors import ConnectionLost, DatabaseBusy, DatabaseUnavailable, Duplicate, TryAgain
from app.queue import dedupe, history
from app.queue.create_plan import Plan
from app.queue.new_task import Draft
from app.queue.task_fields import STORED_AS_GIVEN, urgency_of
from app.queue.type_check import TypeCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Result, Row, Statement
    from app.queue.new_task import Created, NewTask, TypedDraft
    from app.site import Site

MAX_RACES = 5
"""How often another may make the same task between our look and our insert."""

KEYS_PER_LOOK = 500

NEW_COLUMNS = "status, urgency, dedupe_key, created_at"
"""What is read of a task that was made."""


def create(site: Site, tasks: Sequence[NewTask]) -> list[Created]:
    """Make all of these tasks or none, in order; a duplicate gives the existing task.

    Raises Invalid with every violation of every task, UnknownType, TooLarge.
    """
    drafts = [Draft(site, task) for task in tasks]
    check = TypeCheck(site, drafts)
    for _ in range(MAX_RACES):
        try:
            return site.db.run(lambda connection: _create(connection, site, drafts, check))
        except Duplicate:  # another made the same task first: now the look will find it
            continue
    raise DatabaseBusy("the same task is being made and removed by others all the time")


def _create(
    connection: Connection, site: Site, drafts: Sequence[Draft], check: TypeCheck
) -> list[Created]:
    types, existing = _look(connection, drafts)
    plan = Plan(check.typed(types), existing)
    inserted = _insert_once(connection, site, plan) if plan.fresh else []
    return plan.created(inserted)


def _insert_once(connection: Connection, site: Site, plan: Plan) -> list[Row]:
    """What a lost connection did is unknown, and only a key tells a task from its double."""
    try:
        return _insert_all(connection, site, plan)
    except ConnectionLost as error:
        if any(plan.drafts[each].unique_key is None for each in plan.fresh):
            raise DatabaseUnavailable(f"while tasks without a key were made: {error}") from error
        raise


def _look(connection: Connection, drafts: Sequence[Draft]) -> tuple[list[Row], list[Row]]:
    names, values = text_list("name", sorted({each.task.type for each in drafts}))
    statements: list[Statement] = [(f"SELECT * FROM task_types WHERE name IN ({names})", values)]
    keys = sorted({each.key for each in drafts if each.key is not None})
    for start in range(0, len(keys), KEYS_PER_LOOK):
        listed, values = text_list("key", keys[start : start + KEYS_PER_LOOK])
        age = connection.dialect.seconds_since("created_at")
        sql = (
            f"SELECT id, type_id, dedupe_key, status, urgency, {age} AS age "
            f"FROM tasks WHERE dedupe_key IN ({listed})"
        )
        statements.append((sql, values))
    types, *existing = connection.send(statements)
    return types.rows, [row for result in existing for row in result.rows]


def _insert_all(connection: Connection, site: Site, plan: Plan) -> list[Row]:
    """The rows of the fresh drafts, in their order."""
    statements = [
        dedupe.give_up_key("id = :id AND dedupe_key = :key", {"id": row["id"], "key": key}, scope)
        for scope, key, row in plan.expired
    ]
    positions = []
    for each in plan.fresh:
        positions.append(len(statements))
        statements += _insert(connection, site, plan.drafts[each])
    results = _transact(connection, statements, positions)
    return [{"id": results[at].last_id, **results[at + 1].rows[0]} for at in positions]


def _transact(
    connection: Connection, statements: list[Statement], inserts: list[int]
) -> list[Result]:
    """All of the statements or none. Raises TryAgain when a rival node undid them."""
    if not connection.is_cluster:
        return connection.transact(statements)
    # In a packet with others a statement is done even when those before it have been undone.
    step = connection.transact if len(inserts) == 1 else connection.transact_apart
    results = step(statements)
    ids = id_list(results[position].last_id for position in inserts)
    if len(connection.query(f"SELECT id FROM tasks WHERE id IN ({ids})", {})) < len(inserts):
        raise TryAgain("new tasks were undone by a rival node")
    return results


def _insert(connection: Connection, site: Site, draft: TypedDraft) -> list[Statement]:
    sql = connection.dialect
    task = draft.task
    due = sql.timestamp(":run_at") if task.run_at else sql.after(":delay")
    later = f"{due} > {sql.now}" if task.run_at or task.delay else "1 = 0"
    columns = {
        "type_id": ":type_id",
        "status": f"CASE WHEN {later} THEN 'scheduled' ELSE 'pending' END",
        "urgency": ":urgency",
        "due_at": f"CASE WHEN {later} THEN {due} ELSE NULL END",
        "attempts": "0",
        "max_attempts": ":max_attempts",
        "cancel_requested": "0",
        "dedupe_key": ":dedupe_key",
        "params_json": ":params",
        "created_at": sql.now,
        **{field.column: f":{field.column}" for field, _ in STORED_AS_GIVEN},
    }
    values = {
        "type_id": draft.type["id"],
        "urgency": urgency_of(draft.priority),
        "run_at": task.run_at,
        "delay": task.delay,
        "max_attempts": draft.max_attempts(site.settings),
        "dedupe_key": draft.unique_key,
        "params": draft.params_json,
        **{field.column: store(task.as_given.get(field.name)) for field, store in STORED_AS_GIVEN},
    }
    insert = f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"
    return [
        (insert, values),
        (f"SELECT {NEW_COLUMNS} FROM tasks WHERE id = {sql.last_id}", {}),
        *history.record(site.settings, sql, f"id = {sql.last_id}", worker="NULL"),
    ]
