"""Creating tasks: checked against their type, made once even when asked for twice."""

from __future__ import annotations

import time

from app.db.connection import text_list
from app.db.errors import DatabaseBusy, Duplicate
from app.queue import dedupe, history, jsontext
from app.queue.errors import Invalid, TooLarge
from app.queue.task_types import unknown_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Connection, Row, Statement
    from app.site import Site

MAX_RACES = 5
"""How often another may make the same task between our look and our insert."""

KEYS_PER_LOOK = 500

CHECK_SECONDS = 5.0
"""How long the patterns of one call's schemas may match altogether."""

ANYTHING = ("true", "{}", '{"type":"object"}')
"""Schemas that every params match: no need to load a validator."""


class NewTask:
    """One task to be made. ``where`` is how errors name it: empty, or like ``tasks[3].``.

    ``dedupe`` None leaves it to the type, then to "forever"; ``run_at`` is a stored time and
    ``delay`` seconds, at most one of them given.
    """

    def __init__(
        self,
        type: str,
        params: dict[str, Any],
        where: str = "",
        priority: int | None = None,
        run_at: str | None = None,
        delay: float | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        dedupe: Any = None,
        dedupe_key: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        self.type = type
        self.params = params
        self.where = where
        self.priority = priority
        self.run_at = run_at
        self.delay = delay
        self.max_attempts = max_attempts
        self.timeout = timeout
        self.dedupe = dedupe
        self.dedupe_key = dedupe_key
        self.tags = tags


class Created:
    """What became of a new task: its ``id``, ``status``, ``priority``, ``dedupe_key``, and
    whether an equal one existed (``deduplicated``). ``created_at`` only when made alone.
    """

    def __init__(self, id: int, status: str, priority: int, dedupe_key: str | None) -> None:
        self.id = id
        self.status = "pending" if status == "scheduled" else status
        self.priority = priority
        self.dedupe_key = dedupe_key
        self.deduplicated = False
        self.created_at: str | None = None


def create(site: Site, tasks: Sequence[NewTask]) -> list[Created]:
    """Make all of these tasks or none, in order; a duplicate gives the existing task.

    Raises Invalid with every violation of every task, UnknownType, TooLarge.
    """
    drafts = [_Draft(site, task) for task in tasks]
    # What a lost connection did is unknown, and only a key tells a task from its double.
    repeatable = all(draft.key is not None for draft in drafts)
    for _ in range(MAX_RACES):
        try:
            return site.db.run(
                lambda connection: _create(connection, site, drafts), repeatable=repeatable
            )
        except Duplicate:  # another made the same task first: now the look will find it
            continue
    raise DatabaseBusy("the same task is being made and removed by others all the time")


class _Draft:
    """A new task on its way into the table."""

    def __init__(self, site: Site, task: NewTask) -> None:
        self.task = task
        self.params_json = _params_json(site, task)
        self.key: str | None = None
        if task.dedupe is not False:
            self.key = task.dedupe_key or dedupe.key_of(task.type, task.params)
        self.type: Row = {}

    @property
    def scope(self) -> Any:
        if self.task.dedupe is not None:
            return self.task.dedupe
        of_type = jsontext.loads(self.type["dedupe_json"])
        # An own key is a wish of its own; a type's False speaks of the computed one.
        if of_type is False and self.task.dedupe_key:
            return "forever"
        return "forever" if of_type is None else of_type

    @property
    def unique_key(self) -> str | None:
        return None if self.scope is False else self.key

    @property
    def priority(self) -> int:
        of_type = self.type["priority"]
        return self.task.priority if self.task.priority is not None else (of_type or 0)


def _params_json(site: Site, task: NewTask) -> str:
    try:
        text = jsontext.dumps(task.params)
    except ValueError:
        message = "holds NaN or Infinity, which JSON does not have"
        raise Invalid(
            f"{task.where}params {message}", [{"path": f"{task.where}params", "message": message}]
        ) from None
    size = len(text.encode("utf-8"))
    if size > site.settings.max_params_bytes:
        raise TooLarge(
            f"{task.where}params has {size} bytes and may have "
            f"{site.settings.max_params_bytes} (MAX_PARAMS_BYTES): "
            "store the data elsewhere and pass its address"
        )
    return text


def _create(connection: Connection, site: Site, drafts: list[_Draft]) -> list[Created]:
    types, existing = _look(connection, drafts)
    _attach_types(site, drafts, types)
    plan = _Plan(drafts, existing)
    if plan.fresh:
        plan.insert(connection, site)
    return plan.created()


def _look(connection: Connection, drafts: list[_Draft]) -> tuple[list[Row], list[Row]]:
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


def _attach_types(site: Site, drafts: list[_Draft], types: list[Row]) -> None:
    by_name = {row["name"]: row for row in types}
    missing = [draft.task for draft in drafts if draft.task.type not in by_name]
    if missing:
        details = [
            {"path": f"{task.where}type", "message": f"{task.type!r} is not registered"}
            for task in missing
        ]
        raise unknown_type(missing[0].type, details)
    faults = []
    deadline = time.monotonic() + CHECK_SECONDS
    for draft in drafts:
        draft.type = by_name[draft.task.type]
        faults += _faults(site, draft, deadline)
    if faults:
        raise Invalid(_summary(faults), faults)


def _summary(faults: list[dict[str, str]]) -> str:
    more = f" (and {len(faults) - 1} more, see details)" if len(faults) > 1 else ""
    return f"{faults[0]['path']}: {faults[0]['message']}{more}"


def _faults(site: Site, draft: _Draft, deadline: float) -> list[dict[str, str]]:
    where = draft.task.where
    if not draft.type["is_active"]:
        message = f"the task type {draft.task.type!r} is not active: activate or register it"
        return [{"path": f"{where}type", "message": message}]
    schema_json = draft.type["param_schema_json"]
    if not site.settings.enable_schema_validation or schema_json in ANYTHING:
        return []
    from app.queue.validation import violations

    found = violations(schema_json, jsontext.loads(schema_json), draft.task.params, deadline)
    return [{**fault, "path": where + fault["path"]} for fault in found]


class _Plan:
    """Which drafts are new, which exist, and which old tasks must give up their key."""

    def __init__(self, drafts: list[_Draft], existing: list[Row]) -> None:
        self.drafts = drafts
        self.fresh: list[_Draft] = []
        self.expired: list[Row] = []
        self._outcome: dict[int, Created] = {}
        self._same_as: dict[int, _Draft] = {}
        taken: dict[tuple[int, str], Row] = {
            (row["type_id"], row["dedupe_key"]): row for row in existing
        }
        first: dict[tuple[int, str], _Draft] = {}
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

    def _is_duplicate(self, draft: _Draft, row: Row) -> bool:
        if not dedupe.still_counts(draft.scope, row):
            self.expired.append(row)
            return False
        created = Created(row["id"], row["status"], -row["urgency"], row["dedupe_key"])
        created.deduplicated = True
        self._outcome[id(draft)] = created
        return True

    def insert(self, connection: Connection, site: Site) -> None:
        statements: list[Statement] = [
            (
                f"UPDATE tasks {connection.dialect.by_primary_key} SET dedupe_key = NULL "
                "WHERE id = :id AND dedupe_key = :key",
                {"id": row["id"], "key": row["dedupe_key"]},
            )
            for row in self.expired
        ]
        positions = []
        for draft in self.fresh:
            positions.append(len(statements))
            statements += _insert(connection, site, draft)
        results = connection.transact(statements)
        for draft, position in zip(self.fresh, positions):
            row = results[position + 1].rows[0]
            created = Created(
                results[position].last_id, row["status"], draft.priority, draft.unique_key
            )
            created.created_at = row["created_at"]
            self._outcome[id(draft)] = created

    def created(self) -> list[Created]:
        return [self._created(draft) for draft in self.drafts]

    def _created(self, draft: _Draft) -> Created:
        if id(draft) in self._outcome:
            return self._outcome[id(draft)]
        original = self._created(self._same_as[id(draft)])
        copy = Created(original.id, original.status, original.priority, original.dedupe_key)
        copy.deduplicated = True
        return copy


def _insert(connection: Connection, site: Site, draft: _Draft) -> list[Statement]:
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
        "tags": "\n" + "\n".join(task.tags) + "\n" if task.tags else None,
        "params": draft.params_json,
    }
    return [
        (insert, values),
        (f"SELECT status, created_at FROM tasks WHERE id = {sql.last_id}", {}),
        *history.of_tasks(site.settings, sql.now, f"id = {sql.last_id}", {}, worker="NULL"),
    ]
