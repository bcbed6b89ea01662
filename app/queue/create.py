"""Creating tasks: checked against their type, made once even when asked for twice."""

from __future__ import annotations

from app.db.connection import id_list, text_list
from app.db.errors import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseUnavailable,
    Duplicate,
    TryAgain,
)
from app.queue import dedupe, history
from app.queue.new_task import Created, Draft, attach_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Result, Row, Statement
    from app.queue.new_task import NewTask
    from app.site import Site

MAX_RACES = 5
"""How often another may make the same task between our look and our insert."""

KEYS_PER_LOOK = 500


def create(site: Site, tasks: Sequence[NewTask]) -> list[Created]:
    """Make all of these tasks or none, in order; a duplicate gives the existing task.

    Raises Invalid with every violation of every task, UnknownType, TooLarge.
    """
    drafts = [Draft(site, task) for task in tasks]
    for _ in range(MAX_RACES):
        try:
            return site.db.run(lambda connection: _create(connection, site, drafts))
        except Duplicate:  # another made the same task first: now the look will find it
            continue
    raise DatabaseBusy("the same task is being made and removed by others all the time")


def _create(connection: Connection, site: Site, drafts: list[Draft]) -> list[Created]:
    types, existing = _look(connection, drafts)
    attach_types(site, drafts, types)
    plan = _Plan(drafts, existing)
    if plan.fresh:
        _insert_once(connection, site, plan)
    return plan.created()


def _insert_once(connection: Connection, site: Site, plan: _Plan) -> None:
    """What a lost connection did is unknown, and only a key tells a task from its double."""
    try:
        plan.insert(connection, site)
    except ConnectionLost as error:
        if any(draft.unique_key is None for draft in plan.fresh):
            raise DatabaseUnavailable(f"while tasks without a key were made: {error}") from error
        raise


def _look(connection: Connection, drafts: list[Draft]) -> tuple[list[Row], list[Row]]:
    names, values = text_list("name", sorted({draft.task.type for draft in drafts}))
    statements: list[Statement] = [(f"SELECT * FROM task_types WHERE name IN ({names})", values)]
    keys = sorted({draft.key for draft in drafts if draft.key is not None})
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


class _Plan:
    """Which drafts are new, which exist, and which old tasks must give up their key."""

    def __init__(self, drafts: list[Draft], existing: list[Row]) -> None:
        self.drafts = drafts
        self.fresh: list[Draft] = []
        self.expired: list[tuple[Draft, Row]] = []
        self._outcome: dict[int, Created] = {}
        self._same_as: dict[int, Draft] = {}
        taken: dict[tuple[int, str], Row] = {
            (row["type_id"], row["dedupe_key"]): row for row in existing
        }
        first: dict[tuple[int, str], Draft] = {}
        for draft in drafts:
            key = draft.unique_key
            place = (draft.type["id"], key) if key is not None else None
            if place is not None and place in first:
                self._same_as[id(draft)] = first[place]
            elif place is not None and place in taken and self._is_duplicate(draft, taken[place]):
                continue
            else:
                self.fresh.append(draft)
                if place is not None:
                    first[place] = draft

    def _is_duplicate(self, draft: Draft, row: Row) -> bool:
        if not dedupe.still_counts(draft.scope, row):
            self.expired.append((draft, row))
            return False
        created = Created(row["id"], row["status"], -row["urgency"], row["dedupe_key"])
        created.deduplicated = True
        self._outcome[id(draft)] = created
        return True

    def insert(self, connection: Connection, site: Site) -> None:
        statements: list[Statement] = [
            dedupe.give_up_key(
                "id = :id AND dedupe_key = :key",
                {"id": row["id"], "key": row["dedupe_key"]},
                draft.scope,
            )
            for draft, row in self.expired
        ]
        positions = []
        for draft in self.fresh:
            positions.append(len(statements))
            statements += _insert(connection, site, draft)
        results = _transact(connection, statements, positions)
        for draft, position in zip(self.fresh, positions):
            row = results[position + 1].rows[0]
            created = Created(
                results[position].last_id, row["status"], draft.priority, draft.unique_key
            )
            created.created_at = row["created_at"]
            self._outcome[id(draft)] = created

    def created(self) -> list[Created]:
        return [self._created(draft) for draft in self.drafts]

    def _created(self, draft: Draft) -> Created:
        if id(draft) in self._outcome:
            return self._outcome[id(draft)]
        original = self._created(self._same_as[id(draft)])
        copy = Created(original.id, original.status, original.priority, original.dedupe_key)
        copy.deduplicated = True
        return copy


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


def _insert(connection: Connection, site: Site, draft: Draft) -> list[Statement]:
    sql = connection.dialect
    task = draft.task
    due = sql.timestamp(":run_at") if task.run_at else sql.after(":delay")
    later = f"{due} > {sql.now}" if task.run_at or task.delay else "1 = 0"
    insert = (
        "INSERT INTO tasks (type_id, status, urgency, due_at, attempts, max_attempts, timeout, "
        "cancel_requested, dedupe_key, tags, params_json, created_at) VALUES (:type_id, "
        f"CASE WHEN {later} THEN 'scheduled' ELSE 'pending' END, :urgency, "
        f"CASE WHEN {later} THEN {due} ELSE NULL END, 0, :max_attempts, :timeout, "
        f"0, :dedupe_key, :tags, :params, {sql.now})"
    )
    default_attempts = draft.type["max_attempts"] or site.settings.max_task_attempts
    values = {
        "type_id": draft.type["id"],
        "urgency": -draft.priority,
        "run_at": task.run_at,
        "delay": task.delay,
        "max_attempts": task.max_attempts or default_attempts,
        "timeout": task.timeout,
        "dedupe_key": draft.unique_key,
        "tags": "\n{}\n".format("\n".join(task.tags)) if task.tags else None,
        "params": draft.params_json,
    }
    return [
        (insert, values),
        (f"SELECT status, created_at FROM tasks WHERE id = {sql.last_id}", {}),
        *history.of_tasks(site.settings, sql, f"id = {sql.last_id}", worker="NULL"),
    ]
