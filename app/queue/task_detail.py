"""Everything that a task's page shows besides the task itself, in two round trips at most."""

from __future__ import annotations

from app.errors import NotFound
from app.queue import upkeep
from app.queue.lanes import READY, TOLD_STATUS_OF_T
from app.queue.task_fields import ALL_COLUMNS, FIELD_OF
from app.queue.type_stats import ACTIVE_SECONDS
from app.queue.waiting_again import WAITS_AGAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.site import Site

MOST_CHANGES = 200
"""The newest changes of a task that are read."""

MOST_CHILDREN = 50

MOST_SIMILAR = 1000
"""Tasks with the same error are counted up to here."""

MOST_ACTIONS = 20

MOST_AHEAD = 1000
"""Tasks that come before a waiting one are counted up to here."""

SCHEDULE_KEY = TAG = "schedule:"
"""How the keys of tasks begin that schedules make, and the tag that names the schedule."""


class SimilarFailures:
    """How many tasks of the type are failed with the same kind of error, the task itself among
    them, at most ``MOST_SIMILAR``.
    """

    def __init__(self, error_group: int, count: int) -> None:
        self.error_group = error_group
        self.count = count


class TaskDetail:
    """``row`` is the task as ``find_task`` finds it, ``type_row`` its type with how many tasks of
    it are ``running``, None where that is gone. ``changes`` are the newest of the history, the
    oldest first, with the stored statuses; ``are_all`` says whether there are no others.

    ``parent`` and ``children`` (the first ones) are tasks with ``id``, ``type`` and ``status``;
    ``schedule`` is the name of the one that made the task. ``has_workers`` is whether any worker
    was seen lately, ``is_queue_paused`` whether the whole queue is: asked for waiting tasks alone.
    ``ahead`` is how many pending tasks come before this one in the order of claims, at most
    ``MOST_AHEAD`` + 1. ``actions`` are the newest lines of the audit log about it, the oldest
    first: what people did to it, and who did.
    """

    def __init__(self, now: str, row: Row) -> None:
        self.now = now
        self.row = row
        self.type_row: Row | None = None
        self.changes: Sequence[Row] = ()
        self.are_all = True
        self.parent: Row | None = None
        self.children: Sequence[Row] = ()
        self.has_more_children = False
        self.similar: SimilarFailures | None = None
        self.schedule: str | None = None
        self.has_workers = True
        self.is_queue_paused = False
        self.ahead = 0
        self.actions: Sequence[Row] = ()


def task_detail(site: Site, task_id: int) -> TaskDetail:
    """Raises NotFound."""
    return site.db.run(lambda connection: _read(connection, task_id))


def _read(connection: Connection, task_id: int) -> TaskDetail:
    sql = connection.dialect
    found, types, changes, parents, children, groups, actions = (
        result.rows for result in connection.send(_statements(sql, task_id))
    )
    if not found:
        raise NotFound(f"Task {task_id} not found")
    detail = TaskDetail(str(found[0]["now"]), found[0])
    detail.type_row = types[0] if types else None
    detail.changes = changes[:MOST_CHANGES][::-1]
    detail.are_all = len(changes) <= MOST_CHANGES
    detail.parent = parents[0] if parents else None
    detail.children = children[:MOST_CHILDREN]
    detail.has_more_children = len(children) > MOST_CHILDREN
    detail.actions = actions[::-1]
    _read_more(connection, detail, groups)
    return detail


def _statements(sql: Dialect, task_id: int) -> list[Statement]:
    own = f"(SELECT {{}} FROM tasks {sql.by_primary_key} WHERE tasks.id = :id)"
    short = (
        f"SELECT t.id, {TOLD_STATUS_OF_T} AS status, types.name AS type FROM tasks AS t {{}} "
        "LEFT JOIN task_types AS types ON types.id = t.type_id "
    )
    running = (
        f"SELECT COUNT(*) FROM tasks {sql.by_index('tasks_claim_type')} "
        "WHERE tasks.status = 'claimed' AND tasks.type_id = task_types.id"
    )
    texts = [
        f"SELECT {ALL_COLUMNS}, last_outcome, ready_at, {sql.now} AS now FROM tasks "
        "WHERE tasks.id = :id",
        (
            "SELECT name, is_paused, is_active, archived_at, max_running, "
            f"CASE WHEN max_running IS NULL THEN 0 ELSE ({running}) END AS running "
            f"FROM task_types WHERE id = {own.format('type_id')}"
        ),
        (
            "SELECT status, worker_id, attempt, message, traceback, seconds, created_at "
            f"FROM task_history {sql.by_index('task_history_task')} "
            f"WHERE task_id = :id ORDER BY id DESC LIMIT {MOST_CHANGES + 1}"
        ),
        f"{short.format(sql.by_primary_key)} WHERE t.id = {own.format('parent_id')}",
        (
            f"{short.format(sql.by_index('tasks_parent'))} "
            f"WHERE t.parent_id = :id ORDER BY t.id LIMIT {MOST_CHILDREN + 1}"
        ),
        (
            f"SELECT error_group, type_id FROM task_errors {sql.by_index('task_errors_task')} "
            f"WHERE task_id = :id AND error_group <> {WAITS_AGAIN} "
            f"AND {own.format('status')} = 'failed'"
        ),
    ]
    actions = (
        "SELECT created_at AS at, actor, action, detail_json FROM audit_log "
        f"{sql.by_index('audit_log_target')} WHERE target = :target AND action LIKE 'task.%' "
        f"ORDER BY id DESC LIMIT {MOST_ACTIONS}"
    )
    return [
        *((text, {"id": task_id}) for text in texts),
        (actions, {"target": str(task_id)}),
    ]


def _read_more(connection: Connection, detail: TaskDetail, groups: Sequence[Row]) -> None:
    """What is asked for some tasks only."""
    sql = connection.dialect
    statements: list[Statement] = []
    if groups:
        statements.append(_similar(sql, groups[0]))
    maker = _schedule(sql, detail.row)
    statements += maker
    is_waiting = detail.row["status"] in (*READY, "scheduled")
    if is_waiting:
        statements += [_worker(sql), _pause(), _ahead(sql, detail.row)]
    if not statements:
        return
    results = iter(connection.send(statements))
    if groups:
        detail.similar = SimilarFailures(groups[0]["error_group"], next(results).rows[0]["total"])
    if maker:
        detail.schedule = next((row["name"] for row in next(results).rows), None)
    if is_waiting:
        detail.has_workers = bool(next(results).rows)
        detail.is_queue_paused = bool(next(results).rows)
        detail.ahead = int(next(results).rows[0]["total"])


def _similar(sql: Dialect, group: Row) -> Statement:
    return (
        "SELECT COUNT(*) AS total FROM (SELECT task_id FROM task_errors "
        f"{sql.by_primary_key} WHERE error_group = :error_group AND type_id = :type_id "
        f"LIMIT {MOST_SIMILAR}) AS found",
        dict(group),
    )


def _schedule(sql: Dialect, row: Row) -> list[Statement]:
    """Finds the schedule that made a task: by the key that it gives the tasks of its times, or by
    the tag of one that was run by hand. Others may have given the same to theirs, so the schedule's
    own runs have the last word.
    """
    key = row["dedupe_key"] or ""
    run = (
        f"SELECT schedules.name FROM schedule_runs {sql.by_primary_key} "
        "JOIN schedules ON schedules.id = schedule_runs.schedule_id "
        "WHERE schedule_runs.task_id = :id AND "
    )
    values = {"id": row["id"]}
    if key.startswith(SCHEDULE_KEY):
        schedule_id, _, due_at = key[len(SCHEDULE_KEY) :].partition(":")
        is_id = schedule_id.isascii() and schedule_id.isdigit() and len(schedule_id) < 19
        values.update(schedule_id=int(schedule_id) if is_id else 0, due_at=due_at[:23])
        of_time = f"schedule_id = :schedule_id AND due_at = {sql.timestamp(':due_at')}"
        return [(run + of_time, values)]
    names = [tag[len(TAG) :] for tag in FIELD_OF["tags"].show(row) if tag.startswith(TAG)]
    if not names:
        return []
    # The run was noted after the task was made, at once.
    values.update(name=names[-1], made=row["created_at"])
    by_hand = (
        "schedule_id = (SELECT id FROM schedules WHERE name = :name) "
        f"AND due_at >= {sql.timestamp(':made')} ORDER BY due_at LIMIT 1"
    )
    return [(run + by_hand, values)]


def _ahead(sql: Dialect, row: Row) -> Statement:
    """Finds how many pending tasks of all types have a higher priority, or the same and came
    earlier: none for one whose time is still to come.
    """
    scan = (
        f"SELECT 1 AS one FROM tasks {sql.by_index('tasks_claim')} "
        f"WHERE status = 'pending' AND {{}} LIMIT {MOST_AHEAD + 1}"
    )
    higher = scan.format("urgency < :urgency")
    earlier = scan.format("urgency = :urgency AND id < :id")
    return (
        f"SELECT COUNT(*) AS total FROM (SELECT one FROM ({higher}) AS higher UNION ALL "
        f"SELECT one FROM ({earlier}) AS earlier LIMIT {MOST_AHEAD + 1}) AS ahead "
        "WHERE :status = 'pending'",
        {"urgency": row["urgency"], "id": row["id"], "status": row["status"]},
    )


def _worker(sql: Dialect) -> Statement:
    return (
        f"SELECT id FROM workers {sql.by_index('workers_seen')} "
        f"WHERE last_seen_at > {sql.after(str(-ACTIVE_SECONDS))} AND deregistered_at IS NULL "
        "LIMIT 1",
        {},
    )


def _pause() -> Statement:
    return "SELECT name FROM settings WHERE name = :name", {"name": upkeep.PAUSED_AT}
