"""Who holds a task: the condition that fences every change by a worker, and why it did
not hold. No read comes before the write: the condition is part of the statement.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import LeaseLost, NotClaimed, NotFound, NotOwner, TryAgain
from app.queue.task_fields import shown_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Result, Row, Statement
    from app.errors import QueueError

SHORT_COLUMNS = (
    "id, status, attempts, max_attempts, claimed_by, due_at, lease, cancel_requested, progress, "
    "change_id, last_outcome"
)
"""What is read of a task that a worker has changed: nothing long, for there may be a hundred."""


class LeaseRef:
    """A worker's claim of a task, as it states it. Simple clients may leave out who they are
    (``worker_id``) or which ``attempt`` theirs is.
    """

    def __init__(self, task_id: int, worker_id: str | None, attempt: int | None) -> None:
        self.task_id = task_id
        self.worker_id = worker_id
        self.attempt = attempt

    @property
    def condition(self) -> str:
        """True of the task while this claim is on. Needs ``values``."""
        worker = "" if self.worker_id is None else " AND claimed_by = :holder"
        attempt = "" if self.attempt is None else " AND attempts = :attempt"
        return f"id = :id AND status = 'claimed'{worker}{attempt}"

    def values(self, change_id: int) -> dict[str, Any]:
        """What ``condition`` needs, and the number that marks the change."""
        return {
            "id": self.task_id,
            "holder": self.worker_id,
            "attempt": self.attempt,
            "change_id": change_id,
        }

    def changed(self, change_id: int) -> str:
        """True of the task when an UPDATE that set ``change_id`` found the condition to hold."""
        return f"id = {int(self.task_id)} AND change_id = {change_id}"

    def matches(self, worker_id: str | None, attempt: int) -> bool:
        """Whether that attempt was this very claim. Needs to know who is asking: a claim that
        names neither worker nor attempt matches nothing.
        """
        if self.worker_id is None and self.attempt is None:
            return False
        return (
            worker_id is not None
            and self.worker_id in (None, worker_id)
            and self.attempt in (None, attempt)
        )

    def refusal(self, row: Row | None) -> QueueError:
        """Why the condition did not hold for the task as it is now."""
        if row is None:
            return NotFound(f"Task {self.task_id} not found")
        if row["status"] != "claimed":
            return NotClaimed(
                f"Task {self.task_id} is not claimed, it is {shown_status(row['status'])}: "
                "claim it first, or drop this result if its lease has expired"
            )
        if self.attempt is not None and self.attempt != row["attempts"]:
            return LeaseLost(
                f"The lease of attempt {self.attempt} of task {self.task_id} has expired and the "
                f"task was claimed again (attempt {row['attempts']}): drop this result"
            )
        return NotOwner(
            f"Task {self.task_id} is claimed by another worker than {self.worker_id!r}: "
            "send the worker_id that claimed it"
        )


def transact(
    connection: Connection,
    statements: Sequence[Statement],
    updates: Sequence[tuple[int, int, int]],
    columns: str = SHORT_COLUMNS,
) -> tuple[list[Result], dict[int, Row]]:
    """All of the statements or none: their results, and the tasks by id as these left them.

    ``updates`` are the task's id, the change's id and the statement's position of each UPDATE of
    a task; ``columns`` are what is read of each.

    Raises TryAgain when the COMMIT of one answered and the change is not there: a rival on another
    node of a cluster undid it.
    """
    look = look_up(connection.dialect, [task_id for task_id, _, _ in updates], columns)
    results = connection.transact([*statements, look], [look] if connection.is_cluster else ())
    rows = {row["id"]: row for row in results[len(statements)].rows}
    if connection.is_cluster:
        _check_committed(results, updates)
    return results, rows


def _check_committed(results: list[Result], updates: Sequence[tuple[int, int, int]]) -> None:
    committed = {row["id"]: row["change_id"] for row in results[-1].rows}
    own = {change_id for _, change_id, _ in updates}
    for task_id, _, position in updates:
        if results[position].changed and committed.get(task_id) not in own:
            raise TryAgain(f"the change of task {task_id} was undone by a rival node")


def look_up(sql: Dialect, task_ids: Iterable[int], columns: str = SHORT_COLUMNS) -> Statement:
    """Finds tasks as they are after a change, for the response or for the refusal."""
    return (
        f"SELECT {columns} FROM tasks {sql.by_primary_key} WHERE id IN ({id_list(task_ids)})",
        {},
    )
