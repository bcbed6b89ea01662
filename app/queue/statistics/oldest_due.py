"""Since when the task has been waiting that has waited longest, of those that could be claimed."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.lanes import OF_RATE, THROTTLED
from app.queue.task_action import status_in
from app.queue.task_fields import PENDING_SINCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.site import Site

PIECE = 100
MAX_PIECES = 100
"""Tasks are in the order of their creation. One that was retried has waited less long than that:
this many pieces of such tasks are read, and then the answer is as good as the last of them."""


def oldest_due_age(
    site: Site,
    types: Sequence[Row],
    type_ids: Sequence[int] | None = None,
    has_pending: Callable[[int], bool] = lambda type_id: True,
) -> float | None:
    """In seconds; None where no task waits, of these types or of all. ``types`` are those that may
    be asked for, with ``is_paused``: tasks of those that are paused wait on purpose.
    ``has_pending`` may spare the look at a type.
    """
    paused = {row["id"] for row in types if row["is_paused"]}
    scanned: list[int | None] = [None]
    if type_ids is not None or paused:
        candidates = [row["id"] for row in types] if type_ids is None else type_ids
        scanned = [each for each in candidates if each not in paused and has_pending(each)]
    return site.db.run(lambda connection: _oldest(connection, scanned, paused, type_ids))


def _oldest(
    connection: Connection,
    scanned: Sequence[int | None],
    paused: set[int],
    type_ids: Sequence[int] | None,
) -> float | None:
    sql = connection.dialect
    first = [_piece(sql, each, 0) for each in scanned]
    overdue, lane, *pieces = connection.send(
        [_overdue(sql, paused, type_ids), _due_lane(sql, paused, type_ids), *first]
    )
    found = [*overdue.rows, *lane.rows]
    ages = [float(row["age"]) for row in found if row["age"] is not None]
    for each, piece in zip(scanned, pieces):
        ages += _longest_wait(connection, each, piece.rows)
    return max(ages, default=None)


def _longest_wait(connection: Connection, type_id: int | None, rows: list[Row]) -> list[float]:
    """The longest wait in a scan that begins with these rows; empty where nothing waits."""
    longest: list[float] = []
    for _ in range(MAX_PIECES):
        if not rows:
            break
        longest = [max(longest + [float(row["waited"]) for row in rows])]
        if len(rows) < PIECE or float(rows[-1]["age"]) <= longest[0]:
            break  # nothing that was created later can have waited longer
        rows = connection.query(*_piece(connection.dialect, type_id, rows[-1]["id"]))
    return longest


def _piece(sql: Dialect, type_id: int | None, after: int) -> Statement:
    index, condition = "tasks_created", ""
    if type_id is not None:
        index, condition = "tasks_status", f"type_id = {int(type_id)} AND "
    waited, age = sql.seconds_since(PENDING_SINCE), sql.seconds_since("created_at")
    return (
        f"SELECT id, {waited} AS waited, {age} AS age "
        f"FROM tasks {sql.by_index(index)} WHERE status = 'pending' AND {condition}"
        f"id > {int(after)} ORDER BY id LIMIT {PIECE}",
        {},
    )


def _overdue(sql: Dialect, paused: set[int], type_ids: Sequence[int] | None) -> Statement:
    """What nobody has woken or taken back yet: the next claim does. Claims wake tasks of paused
    types as well, so there are never many.
    """
    return (
        f"SELECT {sql.seconds_since('MIN(due_at)')} AS age FROM tasks {sql.by_index('tasks_due')} "
        f"WHERE due_at <= {sql.now}{_of_types(paused, type_ids)}",
        {},
    )


def _due_lane(sql: Dialect, paused: set[int], type_ids: Sequence[int] | None) -> Statement:
    """The lane that could have let a task through for longest: the next claim does. What a limit
    holds back is not due.
    """
    of_key = (
        f"FROM tasks {sql.by_index('tasks_key')} WHERE tasks.type_id = lanes.type_id "
        "AND tasks.concurrency_key = lanes.concurrency_key AND key_slot"
    )
    has_slot = (
        f"EXISTS (SELECT 1 {of_key} = 0) AND (SELECT COUNT(*) {of_key} = 1 "
        f"AND {status_in(('pending', THROTTLED, 'claimed'))}) < COALESCE((SELECT max_per_key "
        "FROM task_types WHERE task_types.id = lanes.type_id), 1)"
    )
    rate = "(SELECT {} FROM task_types WHERE task_types.id = lanes.type_id)"
    is_throttled = (
        f"EXISTS (SELECT 1 FROM tasks {sql.by_index('tasks_claim_type')} "
        f"WHERE status = '{THROTTLED}' AND tasks.type_id = lanes.type_id) "
        "AND (SELECT COALESCE(SUM(total), 0) FROM rate_claims "
        "WHERE rate_claims.type_id = lanes.type_id "
        f"AND claimed_at > {sql.after('-' + rate.format('rate_seconds'))}) "
        f"< COALESCE({rate.format('rate_tasks')}, 1)"
    )
    return (
        f"SELECT {sql.seconds_since('due_at')} AS age FROM lanes {sql.by_index('lanes_due')} "
        f"WHERE due_at <= {sql.now}{_of_types(paused, type_ids)} "
        f"AND CASE WHEN concurrency_key = '{OF_RATE}' THEN {is_throttled} ELSE {has_slot} END "
        "ORDER BY due_at LIMIT 1",
        {},
    )


def _of_types(paused: set[int], type_ids: Sequence[int] | None) -> str:
    own = "" if type_ids is None else f" AND type_id IN ({id_list(type_ids)})"
    if paused:
        own += f" AND type_id NOT IN ({id_list(sorted(paused))})"
    return own
