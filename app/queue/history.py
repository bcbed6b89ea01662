"""The history of a task: one row for each change of its status."""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import NotFound
from app.queue.bound_values import BoundValues
from app.queue.lanes import TOLD_STATUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.config import Settings
    from app.db.connection import Dialect, Row, Statement
    from app.queue.access import Access
    from app.site import Site

MESSAGE_CHARACTERS = 2000
"""A message in the history is cut to this; the task itself holds its last error whole."""

TRACEBACK_CHARACTERS = 8000
"""How much of a traceback the history keeps: its end, which says where it happened."""

LAST_TRACEBACK = (
    f"COALESCE(NULLIF(SUBSTR(error_traceback, -{TRACEBACK_CHARACTERS}), ''), error_traceback)"
)
"""That of the attempt that the task has just failed in. Of one that is shorter MySQL's SUBSTR gives
nothing, and SQLite's the whole."""

COLUMNS = (
    "task_id, status, worker_id, attempt, message, seconds, waited, error_group, traceback, "
    "created_at"
)

RELEASED = "released"
"""The message of a release. The rows of all other attempts that a worker ended have ``seconds``."""

PROMOTED = "promoted"
"""The message when a scheduled task becomes pending. Statistics need it; people are not shown it,
since they know a scheduled task as a pending one with a run_at.
"""

SHOWN_STATUS = "CASE status WHEN 'scheduled' THEN 'pending' ELSE status END AS status"
IS_SHOWN = "(message IS NULL OR message <> :promoted OR worker_id IS NOT NULL)"


def record(
    settings: Settings,
    sql: Dialect,
    condition: str,
    *,
    status: str = TOLD_STATUS,
    worker: str = "claimed_by",
    attempt: str = "attempts",
    waited: str = "NULL",
    error_group: int | None = None,
    message: str | None = None,
    change_id: int | None = None,
) -> list[Statement]:
    """A row for each task that ``condition`` finds, or no statement where no history is kept.

    ``status``, ``worker``, ``attempt`` and ``waited`` are SQL expressions over the task's columns;
    ``condition`` may name ``:change_id``.
    """
    if not settings.enable_task_history:
        return []
    select = (
        f"SELECT id, {status}, {worker}, {attempt}, :history_message, NULL, {waited}, "
        f":error_group, NULL, {sql.now}"
    )
    values = {
        "history_message": _cut(message),
        "change_id": change_id,
        "error_group": error_group,
    }
    return [(_insert(sql, select, condition), values)]


def record_each(
    settings: Settings,
    sql: Dialect,
    task_ids: Sequence[int],
    change_id: int,
    messages: Sequence[str | None],
    seconds: str = "NULL",
    error_groups: Sequence[int] = (),
    traceback: str = "NULL",
) -> list[Statement]:
    """A row for each of these tasks that the change marked, with its own message; and with its
    error group if it is failed now. ``seconds`` and ``traceback`` are SQL expressions over the
    task's columns.

    They are found by primary key, so the rows come in the order of the ids.
    """
    if not settings.enable_task_history:
        return []
    tasks = BoundValues(task_ids)
    tasks.values["change_id"] = change_id
    message = tasks.own("message", [_cut(each) for each in messages])
    group = "NULL"
    if error_groups:
        group = f"CASE WHEN status = 'failed' THEN {tasks.own('error_group', error_groups)} END"
    select = (
        f"SELECT id, {TOLD_STATUS}, claimed_by, attempts, {message}, {seconds}, NULL, {group}, "
        f"{traceback}, {sql.now}"
    )
    condition = f"{tasks.is_one_of_them} AND change_id = :change_id"
    return [(_insert(sql, select, condition), tasks.values)]


def _insert(sql: Dialect, select: str, condition: str) -> str:
    return (
        f"INSERT INTO task_history ({COLUMNS}) "
        f"{select} FROM tasks {sql.by_primary_key} WHERE {condition}"
    )


def _cut(message: str | None) -> str | None:
    return message and message[:MESSAGE_CHARACTERS]


def read(site: Site, task_id: int, access: Access | None = None) -> list[Row]:
    """Each change of the task's status, the oldest first. Raises NotFound."""
    visible, own = ("", {}) if access is None else access.tasks()
    statements: list[Statement] = [
        (f"SELECT id FROM tasks WHERE id = :id{visible}", {"id": task_id, **own}),
        (
            f"SELECT {SHOWN_STATUS}, worker_id, attempt, message, created_at FROM task_history "
            f"WHERE task_id = :id AND {IS_SHOWN} ORDER BY id",
            {"id": task_id, "promoted": PROMOTED},
        ),
    ]
    found, changes = site.db.run(lambda connection: connection.send(statements))
    if not found.rows:
        raise NotFound(f"Task {task_id} not found")
    return changes.rows


def endings(task_ids: Iterable[int]) -> Statement:
    """Finds the changes with which workers ended attempts of these tasks."""
    return (
        f"SELECT task_id, attempt, worker_id, {SHOWN_STATUS}, message, seconds FROM task_history "
        f"WHERE task_id IN ({id_list(task_ids)}) AND (seconds IS NOT NULL OR message = :released) "
        "ORDER BY id",
        {"released": RELEASED},
    )


def outcome_of(ending: Row) -> str:
    """The kind of outcome that such a change noted, as in ``tasks.last_outcome``."""
    if ending["seconds"] is None:
        return "released"
    return "completed" if ending["status"] == "completed" else "failed"
