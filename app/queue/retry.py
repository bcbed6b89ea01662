"""Retrying: a task that has ended, or waits for its time, is made pending."""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import Conflict, DatabaseBusy, Duplicate, NotFound, TryAgain
from app.queue import audit, dedupe, error_groups, history, lanes, used_keys
from app.queue.assignments import Assignments
from app.queue.bound_values import BoundValues
from app.queue.change_id import new_change_id
from app.queue.fencing import SHORT_COLUMNS, GuardedUpdate, lock_tasks, transact
from app.queue.find_task import row_or_not_found
from app.queue.lanes import READY, READY_SLOT, READY_STATUS
from app.queue.retry_plan import RetryPlan, look
from app.queue.task_action import TaskAction, result_of, status_in
from app.queue.task_fields import ALL_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.errors import QueueError
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.queue.task_action import ActionResult
    from app.queue.task_edit import TaskEdit
    from app.site import Site

RETRYABLE = ("failed", "cancelled", "scheduled")

MAX_RACES = 5
"""How often another may take a key between our look and our UPDATE."""


def retry(
    site: Site,
    task_id: int,
    access: Access | None = None,
    actor: Actor | None = None,
    edit: TaskEdit | None = None,
) -> Row:
    """Make a failed, cancelled or scheduled task pending now, after an ``edit`` if one is given. A
    pending task is only edited.

    A task that had ended gets as many attempts more as it had; ``attempts`` goes on counting,
    because a worker of an earlier life may still send its attempt's number.

    Raises NotFound; Conflict when the task is claimed or completed; what the edit's check raises.
    """
    assignments = None if edit is None else edit.check(site, task_id, access)
    retrying = Retrying(site, [task_id], RETRYABLE, access, actor, assignments)
    rows = site.db.run(lambda connection: retrying.run(connection, ALL_COLUMNS), repeatable=False)
    row = row_or_not_found(rows, task_id)
    if row["status"] not in READY:
        raise retrying.refusal(task_id, row)
    return row


def retry_some(
    connection: Connection,
    site: Site,
    task_ids: Sequence[int],
    statuses: Sequence[str],
    access: Access | None,
) -> ActionResult:
    """Retry those of the tasks that are in one of these statuses."""
    retrying = Retrying(site, task_ids, statuses, access)
    rows = retrying.run(connection, SHORT_COLUMNS)
    return result_of(task_ids, rows, retrying.change_id, retrying.refusal)


RETRY = TaskAction("tasks.retry", RETRYABLE, retry_some, scanned=RETRYABLE)


class Retrying:
    """One transaction that retries some tasks; those that were changed are marked with its
    ``change_id``.
    """

    change_id = 0

    def __init__(
        self,
        site: Site,
        task_ids: Sequence[int],
        statuses: Sequence[str],
        access: Access | None,
        actor: Actor | None = None,
        edit: Assignments | None = None,
    ) -> None:
        """``actor`` is who retries a single task, for the audit log."""
        self._site = site
        self._task_ids = task_ids
        self._statuses = statuses
        self._access = access
        self._actor = actor
        self._edit = edit
        self._refusals: dict[int, QueueError] = {}

    def run(self, connection: Connection, columns: str) -> dict[int, Row]:
        """The tasks afterwards; ``columns`` are what is read of each."""
        for _ in range(MAX_RACES):
            try:
                return self._run(connection, columns)
            except Duplicate:  # another made a task with a key that was free: now the look finds it
                connection.rollback()
        raise DatabaseBusy("tasks with the same dedupe key are being made by others all the time")

    def refusal(self, task_id: int, row: Row | None) -> QueueError:
        """Why a task, as it is now, was not retried."""
        if row is None:
            return NotFound(f"Task {task_id} not found")
        if task_id in self._refusals:
            return self._refusals[task_id]
        return Conflict(
            f"Task {task_id} is {row['status']}: only failed, cancelled and waiting tasks "
            "can be retried"
        )

    def _run(self, connection: Connection, columns: str) -> dict[int, Row]:
        sql = connection.dialect
        found = connection.query(*look(sql, self._task_ids, self._statuses, self._access))
        plan = RetryPlan(found, self._task_ids)
        self._refusals = plan.refusals
        self.change_id = new_change_id()
        locks_and_keys = self._keys_given_up(sql, plan)
        statements = [*locks_and_keys, self._update(sql, plan), *self._history(sql)]
        statements.append(error_groups.forget(sql, self._task_ids))
        statements += self._audit(sql, "task.retry", self.change_id)
        statements.append(lanes.make_due(sql, self._task_ids, self.change_id))
        updates = [GuardedUpdate(self._task_ids, self.change_id, len(locks_and_keys))]
        if self._edit is not None:
            edit_id = new_change_id()
            updates.append(GuardedUpdate(self._task_ids, edit_id, len(statements)))
            statements.append(self._update_pending(sql, self._edit, edit_id))
            statements.append(lanes.make_due(sql, self._task_ids, edit_id))
            statements += self._audit(sql, "task.edit", edit_id)
        rows = transact(connection, statements, updates, columns, self._access)[1]
        marks = {update.change_id for update in updates}
        meant = self._statuses if self._edit is None else [*self._statuses, *READY]
        for row in rows.values():
            is_left = row["status"] in meant and row["change_id"] not in marks
            if is_left and row["id"] not in plan.refusals:
                raise TryAgain(f"task {row['id']} changed between the look at it and its retry")
        return rows

    def _keys_given_up(self, sql: Dialect, plan: RetryPlan) -> list[Statement]:
        """Locks all of the tasks, and those that take a key back find it free."""
        locked = {*self._task_ids, *plan.holders}
        statements = lock_tasks(sql, locked) if sql.lock and len(locked) > 1 else []
        if plan.holders:
            condition = f"id IN ({id_list(sorted(plan.holders))}) AND dedupe_key IS NOT NULL"
            statements.append(dedupe.give_up_key(condition, {}, "active"))
        if plan.takers:
            statements.append(used_keys.delete(*plan.keys_taken()))
        return statements

    def _update(self, sql: Dialect, plan: RetryPlan) -> Statement:
        tasks = BoundValues(self._task_ids)
        assignments = self._assignments()
        tasks.values.update(assignments.values)
        # SQLite reads the old values on the right, MySQL those already assigned: attempts is never
        # assigned, and status comes last.
        update = (
            f"UPDATE tasks {sql.by_primary_key} SET change_id = {self.change_id}, "
            "dedupe_key = COALESCE(dedupe_key, former_dedupe_key), former_dedupe_key = NULL, "
            f"{assignments}"
            "due_at = NULL, completed_at = NULL, claimed_by = NULL, cancel_requested = 0, "
            f"ready_at = {sql.now}, key_slot = {READY_SLOT}, "
            f"status = {READY_STATUS} WHERE {tasks.is_one_of_them} AND {status_in(self._statuses)} "
            f"AND (former_dedupe_key IS NULL OR id IN ({id_list(sorted(plan.takers))}))"
        )
        if plan.refusals:
            update += f" AND id NOT IN ({id_list(sorted(plan.refusals))})"
        return self._of_visible(update, tasks.values)

    def _assignments(self) -> Assignments:
        """What is set besides the status and what goes with it."""
        assignments = Assignments()
        assignments.add(
            "max_attempts",
            "CASE WHEN status = 'scheduled' THEN max_attempts ELSE attempts + "
            "COALESCE((SELECT task_types.max_attempts FROM task_types "
            "WHERE task_types.id = tasks.type_id), :max_attempts) END",
            max_attempts=self._site.settings.max_task_attempts,
        )
        if self._edit is not None:
            assignments.columns.update(self._edit.columns)
            assignments.values.update(self._edit.values)
        return assignments

    def _update_pending(self, sql: Dialect, edit: Assignments, change_id: int) -> Statement:
        """Changes what is pending before the retry. Its status stays, so the history has no line
        for it. What the retry made pending has the edit already.
        """
        tasks = BoundValues(self._task_ids)
        update = (
            f"UPDATE tasks {sql.by_primary_key} SET {edit}change_id = {change_id} "
            f"WHERE {tasks.is_one_of_them} AND {status_in(READY)} "
            f"AND (change_id IS NULL OR change_id <> {self.change_id})"
        )
        return self._of_visible(update, {**tasks.values, **edit.values})

    def _audit(self, sql: Dialect, action: str, change_id: int) -> list[Statement]:
        """What was edited is told with the names of the columns."""
        task_id = int(self._task_ids[0])
        changed = f"EXISTS (SELECT 1 FROM tasks WHERE id = {task_id} AND change_id = {change_id})"
        edited: dict[str, Any] = {"edited": list(self._edit.columns)} if self._edit else {}
        return audit.record(sql, self._actor, action, str(task_id), changed, **edited)

    def _of_visible(self, update: str, values: dict[str, Any]) -> Statement:
        visible, own = ("", {}) if self._access is None else self._access.tasks()
        return f"{update}{visible}", {**values, **own}

    def _history(self, sql: Dialect) -> list[Statement]:
        changed = f"id IN ({id_list(self._task_ids)}) AND change_id = {self.change_id}"
        return history.record(self._site.settings, sql, changed, worker="NULL", message="retry")
