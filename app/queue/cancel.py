"""Cancelling: a waiting task ends, the worker of a claimed one is asked to stop."""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import Conflict, NotFound
from app.queue import audit, history, lanes, waiting_again
from app.queue.bound_values import BoundValues
from app.queue.change_id import new_change_id
from app.queue.fencing import SHORT_COLUMNS, GuardedUpdate, lock_tasks, transact
from app.queue.find_task import row_or_not_found
from app.queue.task_action import TaskAction, result_of, status_in
from app.queue.task_fields import ALL_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.errors import QueueError
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.queue.task_action import ActionResult
    from app.site import Site

WAITING = (*lanes.READY, "scheduled")
CANCELLABLE = (*WAITING, "claimed")


def cancel(
    site: Site, task_id: int, access: Access | None = None, actor: Actor | None = None
) -> Row:
    """Cancel a waiting task; ask the worker of a claimed one to stop at its next heartbeat.

    Cancelling twice is fine. Raises NotFound; Conflict when the task has ended otherwise.
    """

    def work(connection: Connection) -> dict[int, Row]:
        cancelling = Cancelling(site, [task_id], CANCELLABLE, access, actor)
        return cancelling.run(connection, ALL_COLUMNS)

    row = row_or_not_found(site.db.run(work), task_id)
    if row["status"] not in ("cancelled", "claimed"):
        raise _refusal(task_id, row)
    return row


def cancel_some(
    connection: Connection,
    site: Site,
    task_ids: Sequence[int],
    statuses: Sequence[str],
    access: Access | None,
) -> ActionResult:
    """Cancel those of the tasks that are in one of these statuses."""
    cancelling = Cancelling(site, task_ids, statuses, access)
    rows = cancelling.run(connection, SHORT_COLUMNS)
    return result_of(task_ids, rows, cancelling.change_id, _refusal)


NOT_ASKED = "(t.status <> 'claimed' OR t.cancel_requested = 0)"

CANCEL = TaskAction("tasks.cancel", CANCELLABLE, cancel_some, [NOT_ASKED], CANCELLABLE)


class Cancelling:
    """One transaction that cancels some tasks; those that were changed are marked with its
    ``change_id``.
    """

    def __init__(
        self,
        site: Site,
        task_ids: Sequence[int],
        statuses: Sequence[str],
        access: Access | None,
        actor: Actor | None = None,
    ) -> None:
        """``actor`` is who cancels a single task, for the audit log."""
        self.change_id = new_change_id()
        self._site = site
        self._task_ids = task_ids
        self._statuses = statuses
        self._access = access
        self._actor = actor

    def run(self, connection: Connection, columns: str) -> dict[int, Row]:
        """The tasks afterwards; ``columns`` are what is read of each."""
        sql = connection.dialect
        waiting = status_in([each for each in WAITING if each in self._statuses])
        claimed = status_in([each for each in ("claimed",) if each in self._statuses])
        changed = f"id IN ({id_list(self._task_ids)}) AND change_id = {self.change_id}"
        statements: list[Statement] = []
        if len(self._task_ids) > 1:
            statements = lock_tasks(sql, self._task_ids)
        ended = len(statements)
        end = f"status = 'cancelled', key_slot = NULL, due_at = NULL, completed_at = {sql.now}"
        statements.append(self._update(sql, end, waiting))
        statements += history.record(self._site.settings, sql, changed, worker="NULL")
        statements.append(lanes.make_due(sql, self._task_ids, self.change_id))
        asked = len(statements)
        not_asked = f"{claimed} AND cancel_requested = 0"
        statements.append(self._update(sql, "cancel_requested = 1", not_asked))
        statements.append(waiting_again.forget(sql, self._task_ids))
        statements += audit.record_task(
            sql, self._actor, "task.cancel", self._task_ids[0], self.change_id
        )
        updates = [GuardedUpdate(self._task_ids, self.change_id, each) for each in (ended, asked)]
        return transact(connection, statements, updates, columns, self._access)[1]

    def _update(self, sql: Dialect, assignments: str, condition: str) -> Statement:
        tasks = BoundValues(self._task_ids)
        visible, own = ("", {}) if self._access is None else self._access.tasks()
        return (
            f"UPDATE tasks {sql.by_primary_key} SET change_id = {self.change_id}, {assignments} "
            f"WHERE {tasks.is_one_of_them} AND {condition}{visible}",
            {**tasks.values, **own},
        )


def _refusal(task_id: int, row: Row | None) -> QueueError:
    if row is None:
        return NotFound(f"Task {task_id} not found")
    if row["status"] == "claimed":
        return Conflict(f"The worker of task {task_id} was asked to stop already")
    return Conflict(f"Task {task_id} is {row['status']} already: there is nothing to cancel")
