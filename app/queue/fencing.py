"""Who holds a task: the condition that fences every change by a worker, and why it did not hold.
Nothing is read before the write: the condition is part of the statement.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import LeaseLost, NotClaimed, NotFound, NotOwner, TryAgain
from app.queue.bound_values import BoundValues
from app.queue.task_fields import shown_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.db.connection import Connection, Dialect, Result, Row, Statement
    from app.errors import QueueError
    from app.queue.access import Access

SHORT_COLUMNS = (
    "id, status, attempts, max_attempts, claimed_by, claimed_key, due_at, lease, "
    "cancel_requested, progress, change_id, last_outcome"
)
"""What is read of a task that a worker has changed: nothing long, for there may be a hundred."""


class LeaseRef:
    """A worker's claim of a task, as it states it. Simple clients may leave out who they are
    (``worker_id``) or which ``attempt`` theirs is. ``access`` is what their key allows.
    """

    def __init__(
        self,
        task_id: int,
        worker_id: str | None,
        attempt: int | None,
        access: Access | None = None,
    ) -> None:
        self.task_id = task_id
        self.worker_id = worker_id
        self.attempt = attempt
        self.access = access

    def owns(self, row: Row) -> bool:
        """Whether the task was claimed with the same key, where that matters."""
        return self.access is None or self.access.owns(row)

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
        if not self.owns(row):
            return NotOwner(
                f"Task {self.task_id} was claimed with another API key: "
                "send the key that claimed it"
            )
        return NotOwner(
            f"Task {self.task_id} is claimed by another worker than {self.worker_id!r}: "
            "send the worker_id that claimed it"
        )


class Fence(BoundValues):
    """The tasks that one UPDATE changes, each only while its lease reference holds; none twice."""

    def __init__(self, lease_refs: Sequence[LeaseRef], change_id: int) -> None:
        super().__init__([each.task_id for each in lease_refs])
        self.change_id = self.values["change_id"] = change_id
        self._lease_refs = lease_refs

    def condition(self) -> str:
        """True of the tasks whose lease reference holds."""
        worker_id = self.own("holder", [each.worker_id for each in self._lease_refs], "claimed_by")
        attempt = self.own("attempt", [each.attempt for each in self._lease_refs], "attempts")
        return (
            f"{self.is_one_of_them} AND status = 'claimed' "
            f"AND claimed_by = {worker_id} AND attempts = {attempt}{self._allowed()}"
        )

    def _allowed(self) -> str:
        """True of the tasks that the caller's key may settle. All come from one call."""
        access = self._lease_refs[0].access
        if access is None:
            return ""
        if access.settles_only_own:
            self.values["key_id"] = access.key_id
            return " AND claimed_key = :key_id"
        condition, values = access.tasks()
        self.values.update(values)
        return condition


class GuardedUpdate:
    """Where in a list of statements an UPDATE of these tasks is, and how it marks them."""

    def __init__(self, task_ids: Sequence[int], change_id: int, position: int) -> None:
        self.task_ids = task_ids
        self.change_id = change_id
        self.position = position


def transact(
    connection: Connection,
    statements: Sequence[Statement],
    updates: Sequence[GuardedUpdate],
    columns: str = SHORT_COLUMNS,
    access: Access | None = None,
) -> tuple[list[Result], dict[int, Row]]:
    """All of the statements or none: their results, and the tasks by id as these left them, but
    for those that ``access`` does not show. ``columns`` are what is read of each.

    Raises TryAgain when the COMMIT of one answered and the change is not there: a rival on another
    node of a cluster undid it.
    """
    task_ids = [task_id for update in updates for task_id in update.task_ids]
    look = look_up(connection.dialect, task_ids, columns, access)
    results = connection.transact([*statements, look], [look] if connection.is_cluster else ())
    rows = {row["id"]: row for row in results[len(statements)].rows}
    if connection.is_cluster:
        _check_committed(results, updates)
    return results, rows


def _check_committed(results: list[Result], updates: Sequence[GuardedUpdate]) -> None:
    """Each UPDATE changed so many tasks: as many must bear a mark of this transaction now."""
    marks = {update.change_id for update in updates}
    marked = {row["id"] for row in results[-1].rows if row["change_id"] in marks}
    for update in updates:
        if results[update.position].changed > len(marked.intersection(update.task_ids)):
            raise TryAgain(f"changes of tasks {update.task_ids} were undone by a rival node")


def lock_tasks(
    sql: Dialect, task_ids: Iterable[int], access: Access | None = None
) -> list[Statement]:
    """Finds tasks, but for those that ``access`` does not show, and locks them in the order of
    their ids, so that two changes of the same tasks wait for each other instead of deadlocking.
    """
    visible, values = ("", {}) if access is None else access.tasks()
    look = (
        f"SELECT id, status FROM tasks {sql.by_primary_key} "
        f"WHERE id IN ({id_list(sorted(task_ids))}){visible} ORDER BY id {sql.lock}"
    )
    return [(look, values)]


def look_up(
    sql: Dialect,
    task_ids: Iterable[int],
    columns: str = SHORT_COLUMNS,
    access: Access | None = None,
) -> Statement:
    """Finds tasks as they are after a change, for the response or for the refusal."""
    visible, values = ("", {}) if access is None else access.tasks()
    ids = id_list(task_ids)
    return f"SELECT {columns} FROM tasks {sql.by_primary_key} WHERE id IN ({ids}){visible}", values
