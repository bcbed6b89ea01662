"""Creating tasks: checked against their type, made once even when asked for twice."""

from __future__ import annotations

from app.db.connection import id_list, text_list
from app.errors import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    Duplicate,
    TryAgain,
)
from app.queue import used_keys
from app.queue.bound_values import parts
from app.queue.create_plan import Plan
from app.queue.insert_tasks import MOST_ROWS, insert_tasks
from app.queue.new_task import Draft, TypedDraft
from app.queue.type_check import TypeCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Result, Row, Statement
    from app.queue.access import Access
    from app.queue.idempotency import IdempotencyKey
    from app.queue.new_task import Created, NewTask
    from app.site import Site

MAX_RACES = 5
"""How often another call may make the same task between our look and our insert."""

KEYS_PER_LOOK = 500


def create(
    site: Site,
    tasks: Sequence[NewTask],
    access: Access | None = None,
    key: IdempotencyKey | None = None,
) -> list[Created]:
    """Make all of these tasks or none, in order; for a duplicate, return the existing task. With a
    ``key``, the same call again makes nothing and gives what the first one did.

    Raises Invalid with every violation of every task, UnknownType, TooLarge; Forbidden for a type
    that the caller's key is not for; IdempotencyConflict.
    """
    if access is not None:
        access.check_types(task.type for task in tasks)
    drafts = [Draft(site, task) for task in tasks]
    check = TypeCheck(site, drafts)
    for _ in range(MAX_RACES):
        try:
            return site.db.run(lambda connection: _create(connection, site, drafts, check, key))
        except Duplicate:  # another made the same task first: now the look will find it
            continue
    raise DatabaseBusy("the same task is being made and removed by others all the time")


def _create(
    connection: Connection,
    site: Site,
    drafts: Sequence[Draft],
    check: TypeCheck,
    key: IdempotencyKey | None,
) -> list[Created]:
    types, existing, kept = _look(connection, drafts, key)
    if key is not None and kept:
        return key.first_result(kept[0], [each.task.type for each in drafts])
    plan = Plan(check.typed(types), existing)
    inserted = _insert_once(connection, site, plan, key) if plan.fresh or key is not None else []
    return plan.created(inserted)


def _insert_once(
    connection: Connection, site: Site, plan: Plan, key: IdempotencyKey | None
) -> list[Row]:
    """What a lost connection did is unknown, and only a key tells a task from its double."""
    try:
        return _insert_all(connection, site, plan, key)
    except ConnectionLost as error:
        if key is None and any(plan.drafts[each].unique_key is None for each in plan.fresh):
            raise DatabaseUnavailable(f"while tasks without a key were made: {error}") from error
        raise


def _look(
    connection: Connection, drafts: Sequence[Draft], key: IdempotencyKey | None
) -> tuple[list[Row], list[Row], list[Row]]:
    """The types, the tasks that hold the same dedupe keys, and what an earlier call with the same
    ``key`` did.
    """
    names, values = text_list("name", sorted({each.task.type for each in drafts}))
    statements: list[Statement] = [(f"SELECT * FROM task_types WHERE name IN ({names})", values)]
    keys = sorted({each.key for each in drafts if each.key is not None})
    for start in range(0, len(keys), KEYS_PER_LOOK):
        statements.append(used_keys.look(connection.dialect, keys[start : start + KEYS_PER_LOOK]))
    if key is not None:
        statements.append(key.look())
    types, *existing = connection.send(statements)
    kept = existing.pop().rows if key is not None else []
    return types.rows, [row for result in existing for row in result.rows], kept


def _insert_all(
    connection: Connection, site: Site, plan: Plan, key: IdempotencyKey | None
) -> list[Row]:
    """The rows of the fresh drafts, in their order."""
    statements = [
        statement for scope, row in plan.expired for statement in used_keys.free(scope, row)
    ]
    # Such a server locks what INSERT … SELECT reads, and a range of new ids reaches into the tasks
    # that others are making: creates would deadlock.
    most = 1 if connection.has_snapshots else MOST_ROWS
    looks = []
    for drafts in parts([plan.drafts[each] for each in plan.fresh], TypedDraft.long_texts, most):
        looks.append(len(statements) + 1)
        statements += insert_tasks(site, drafts)
    # In a packet with others a statement is done even when a rival node of a cluster has undone
    # those before it. One INSERT then fails, for its key is still taken, or has done everything.
    is_apart = connection.is_cluster and (len(looks) > 1 or len(plan.expired) > 1)
    still_there = _look_at_types_again(plan)
    if key is not None:
        results = _transact_with_key(connection, [*statements, still_there], looks, plan, key)
    elif is_apart:
        results = [*connection.transact_apart(statements), *connection.send([still_there])]
    else:
        results = connection.transact(statements, [still_there])
    rows = [row for look in looks for row in results[look].rows]
    _check_inserted(connection, rows, len(plan.fresh))
    _undo_for_deleted_types(connection, site, plan, rows, results[-1].rows, key)
    _put_in_order(connection, plan, rows, results[-1].rows)
    return rows


def _transact_with_key(
    connection: Connection,
    statements: Sequence[Statement],
    looks: Sequence[int],
    plan: Plan,
    key: IdempotencyKey,
) -> list[Result]:
    """As transact; the last of the statements is asked when the others are committed.

    What the key keeps is known when the tasks have their ids, so it goes into the transaction in a
    round trip of its own. Of two equal calls at once, one is told Duplicate there.
    """
    *changes, afterwards = statements
    if connection.is_cluster:
        connection.begin([])
        results = [connection.send([each])[0] for each in changes]
    else:
        results = connection.begin(changes)
    rows = [row for look in looks for row in results[look].rows]
    keep = key.keep(connection.dialect, plan.created(rows))
    if connection.is_cluster:
        connection.commit_apart([keep])
        return [*results, *connection.send([afterwards])]
    return [*results, connection.commit([keep], [afterwards])[-1]]


def _look_at_types_again(plan: Plan) -> Statement:
    """Finds those of the types that have not been deleted, when the tasks are committed."""
    ids = id_list(sorted({plan.drafts[each].type["id"] for each in plan.fresh}))
    return (
        "SELECT id, max_per_key, rate_tasks FROM task_types "
        f"WHERE id IN ({ids}) AND archived_at IS NULL",
        {},
    )


def _undo_for_deleted_types(
    connection: Connection,
    site: Site,
    plan: Plan,
    rows: Sequence[Row],
    types: Sequence[Row],
    key: IdempotencyKey | None,
) -> None:
    """A type may have been deleted since it was checked (delete_type.py says how that is told).
    Raises UnknownType then; no task is left of this call, but for those that a worker has already.
    """
    there = {row["id"] for row in types}
    for each in plan.fresh:
        if plan.drafts[each].type["id"] not in there:
            # Loaded when needed.
            from app.queue.delete import DELETABLE, delete_some
            from app.queue.task_types import deleted_type

            if key is not None:
                connection.send([key.forget()])
            for made in parts([row["id"] for row in rows], lambda _: ()):
                delete_some(connection, site, made, DELETABLE, None)
            raise deleted_type(plan.drafts[each].task.type)


def _put_in_order(
    connection: Connection, plan: Plan, rows: Sequence[Row], types: Sequence[Row]
) -> None:
    """The limits of a type may have changed since it was looked at: then some tasks have to be held
    back that are not, or the other way round.
    """
    now = {row["id"]: row for row in types}
    moved = [
        row["id"]
        for row, each in zip(rows, plan.fresh)
        if not plan.drafts[each].is_ready_for(now[plan.drafts[each].type["id"]])
    ]
    if moved:
        from app.queue.upkeep.limit_changes import put_tasks_in_order  # loaded when needed

        put_tasks_in_order(connection, moved)


def _check_inserted(connection: Connection, rows: Sequence[Row], count: int) -> None:
    """Raises TryAgain when a rival node undid the INSERT, whatever the COMMIT answered."""
    if connection.is_cluster:
        ids = id_list(row["id"] for row in rows)
        found = connection.query(f"SELECT id FROM tasks WHERE id IN ({ids})", {})
        if len(found) < count:
            raise TryAgain("new tasks were undone by a rival node")
    elif len(rows) != count:
        raise DatabaseError(f"{count} tasks were inserted and {len(rows)} were found")
