"""The trail of a task: one row for each change of its status."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.config import Settings
    from app.db.connection import Statement

MESSAGE_CHARACTERS = 2000
"""A message in the trail is cut to this; the task itself holds its last error whole."""

COLUMNS = "task_id, status, worker_id, attempt, message, seconds, created_at"

# People know a scheduled task as a pending one with a run_at.
SHOWN_STATUS = "CASE status WHEN 'scheduled' THEN 'pending' ELSE status END"


def of_tasks(
    settings: Settings,
    now: str,
    condition: str,
    values: dict[str, Any] | None = None,
    *,
    status: str = SHOWN_STATUS,
    worker: str = "claimed_by",
    attempt: str = "attempts",
    seconds: str = "NULL",
    message: str | None = None,
) -> list[Statement]:
    """A row for each task that ``condition`` finds, or no statement where no trail is kept.

    ``status``, ``worker``, ``attempt`` and ``seconds`` are SQL expressions over the task's columns.
    """
    if not settings.enable_task_history:
        return []
    sql = (
        f"INSERT INTO task_history ({COLUMNS}) "
        f"SELECT id, {status}, {worker}, {attempt}, :history_message, {seconds}, {now} "
        f"FROM tasks WHERE {condition}"
    )
    return [(sql, {**(values or {}), "history_message": message and message[:MESSAGE_CHARACTERS]})]
