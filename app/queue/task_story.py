"""Everything of one task: its attempts, what else happened to it, where it comes from and leads to,
and why it waits.
"""

from __future__ import annotations

from app.queue.find_task import row_or_not_found
from app.queue.task_attempts import attempts_and_events
from app.queue.task_fields import ALL_COLUMNS, FIELD_OF, PENDING_SINCE
from app.queue.task_hindrances import hindrances, queue_look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Row, Statement
    from app.queue.access import Access
    from app.queue.task_attempts import TaskAttempt, TaskEvent
    from app.queue.task_hindrances import Hindrance
    from app.site import Site

MOST_CHILDREN = 50
MOST_CHANGES = 1000
"""So many lines of the history are read, the newest: a task may have been retried for years."""

SCHEDULE_TAG = "schedule:"


class TaskStory:
    """``row`` is the task as ``find_task`` gives it. ``attempts`` and ``events``: the oldest come
    first; ``is_cut`` where earlier ones were left out. ``parent`` and ``children`` (the newest,
    one more than MOST_CHILDREN at most) have ``id``, ``type``, ``status`` and ``created_at``; the
    parent may be gone (``row["parent_id"]`` is set then). ``schedule`` is the name of the one that
    made it. ``lease_seconds`` is how long its lease still lasts, below 0 if it is over;
    ``seconds`` how long it has been waiting or running, or took from its creation to its end.
    ``hindrances`` say why it waits, the most certain first.
    """

    def __init__(self, as_of: str, row: Row) -> None:
        self.as_of = as_of
        self.row = row
        self.attempts: Sequence[TaskAttempt] = ()
        self.events: Sequence[TaskEvent] = ()
        self.is_cut = False
        self.parent: Row | None = None
        self.children: Sequence[Row] = ()
        self.schedule: str | None = None
        self.lease_seconds: float | None = None
        self.seconds: float | None = None
        self.hindrances: Sequence[Hindrance] = ()

    @property
    def trace_id(self) -> str | None:
        traceparent: str | None = self.row["traceparent"]
        return traceparent.split("-")[1] if traceparent else None


def task_story(site: Site, task_id: int, access: Access | None = None) -> TaskStory:
    """Two round trips. Who did something to it by hand is told from the audit log, where the key is
    for all types. Raises NotFound.
    """
    sees_all = access is None or access.type_patterns is None
    found = site.db.run(
        lambda connection: connection.read_at_once(_look(site.db.dialect, task_id, access))
    )
    tasks, clock, changes, audit = (each.rows for each in found)
    row = row_or_not_found({each["id"]: each for each in tasks}, task_id)
    told = TaskStory(str(clock[0]["now"]), row)
    told.is_cut = len(changes) == MOST_CHANGES
    told.attempts, told.events = attempts_and_events(
        row, changes[::-1], audit[::-1] if sees_all else []
    )
    _tell_times(told, clock[0])
    _tell_kin(site, told, access)
    return told


def _look(sql: Dialect, task_id: int, access: Access | None) -> list[Statement]:
    visible, own = ("", {}) if access is None else access.tasks()
    lease, waited, ran, lived = (
        sql.seconds_since(each) for each in ("due_at", PENDING_SINCE, "claimed_at", "created_at")
    )
    ended = sql.seconds_since("completed_at")
    one = f"FROM tasks WHERE tasks.id = :id{visible}"
    return [
        (f"SELECT {ALL_COLUMNS} {one}", {"id": task_id, **own}),
        (
            f"SELECT {sql.now} AS now, {lease} AS due, {waited} AS waited, {ran} AS ran, "
            f"{lived} - {ended} AS lived FROM (SELECT 1 AS one) AS once LEFT JOIN tasks "
            "ON tasks.id = :id",
            {"id": task_id},
        ),
        (
            "SELECT id, status, worker_id, attempt, message, seconds, waited, created_at "
            f"FROM task_history {sql.by_index('task_history_task')} WHERE task_id = :id "
            f"ORDER BY id DESC LIMIT {MOST_CHANGES}",
            {"id": task_id},
        ),
        (
            f"SELECT created_at, actor, action, detail_json FROM audit_log "
            f"{sql.by_index('audit_log_target')} WHERE target = :target "
            "AND action LIKE 'task.%' ORDER BY id DESC LIMIT 100",
            {"target": str(task_id)},
        ),
    ]


def _tell_times(told: TaskStory, clock: Row) -> None:
    status = told.row["status"]
    if status == "claimed":
        told.lease_seconds = -float(clock["due"])
        told.seconds = float(clock["ran"])
    elif status in ("pending", "scheduled"):
        told.seconds = float(clock["waited"])
    elif clock["lived"] is not None:
        told.seconds = float(clock["lived"])


def _tell_kin(site: Site, told: TaskStory, access: Access | None) -> None:
    sql, row = site.db.dialect, told.row
    visible, own = ("1 = 1", {}) if access is None else access.types("types.name")
    kin = (
        "SELECT t.id, types.name AS type, t.status, t.created_at FROM tasks AS t {index} "
        f"{sql.then_join} task_types AS types {sql.by_primary_key} ON types.id = t.type_id "
        f"WHERE {{condition}} AND {visible}"
    )
    parent = kin.format(index=sql.by_primary_key, condition="t.id = :parent")
    children = kin.format(index=sql.by_index("tasks_parent"), condition="t.parent_id = :id")
    schedules = _schedules(row)
    statements: list[Statement] = [
        (parent, {"parent": row["parent_id"], **own}),
        (f"{children} ORDER BY t.id DESC LIMIT {MOST_CHILDREN + 1}", {"id": row["id"], **own}),
        ("SELECT name FROM schedules WHERE name = :name", {"name": schedules}),
        *queue_look(sql, row),
    ]
    results = site.db.run(lambda connection: connection.read_at_once(statements))
    parents, children_found, named, *looks = (each.rows for each in results)
    told.parent = parents[0] if parents else None
    told.children = children_found
    told.schedule = named[0]["name"] if named else None
    told.hindrances = hindrances(row, looks)


def _schedules(row: Row) -> str | None:
    """The schedule's name by the tag that its tasks have last; anybody may give such a tag, so it
    has to be known.
    """
    tags = [each for each in FIELD_OF["tags"].show(row) if each.startswith(SCHEDULE_TAG)]
    return tags[-1][len(SCHEDULE_TAG) :] if tags else None
