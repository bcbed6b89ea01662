"""Deleting tasks with their history and tags."""

from __future__ import annotations

from app.errors import Conflict, NotFound, TryAgain
from app.queue import audit, lanes, task_tags
from app.queue.bound_values import BoundValues
from app.queue.fencing import lock_tasks, look_up
from app.queue.statistics.deleted import leave_statistics
from app.queue.task_action import ActionResult, TaskAction, status_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Row, Statement
    from app.errors import QueueError
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

DELETABLE = (*lanes.READY, "scheduled", "completed", "failed", "cancelled")


def delete(
    site: Site, task_id: int, access: Access | None = None, actor: Actor | None = None
) -> None:
    """Remove a task, its history and tags. Raises NotFound; Conflict while a worker holds it."""
    noted = audit.record(site.db.dialect, actor, "task.delete", str(task_id))
    result = site.db.run(
        lambda connection: delete_some(connection, site, [int(task_id)], DELETABLE, access, noted),
        repeatable=False,
    )
    for refusal in result.refusals.values():
        raise refusal


def delete_some(
    connection: Connection,
    _site: Site,
    task_ids: Sequence[int],
    statuses: Sequence[str],
    access: Access | None,
    noted: Sequence[Statement] = (),
) -> ActionResult:
    """Remove those of the tasks that are in one of these statuses; if there are any, ``noted`` goes
    into the audit log.
    """
    found = connection.begin(lock_tasks(connection.dialect, task_ids, access))[0].rows
    meant = [row["id"] for row in found if row["status"] in statuses]
    if meant:
        found = [row for row in found if row["status"] not in statuses]
        found += _delete(connection, meant, statuses, noted)
    else:
        connection.rollback()
    rows = {row["id"]: row for row in found}
    deleted = set(meant) - set(rows)
    refusals = {each: _refusal(each, rows.get(each)) for each in task_ids if each not in deleted}
    return ActionResult(deleted, refusals)


# All but a few of the tasks: quicker by one index for all statuses than by one for each.
DELETE = TaskAction(
    "tasks.delete", DELETABLE, delete_some, ["t.status <> 'claimed'"], left_out=["claimed"]
)


def _delete(
    connection: Connection,
    task_ids: Sequence[int],
    statuses: Sequence[str],
    noted: Sequence[Statement],
) -> list[Row]:
    """Delete tasks that are locked. Returns those that are still there."""
    left_out = leave_statistics(connection, task_ids)
    # While they are there: they may leave a slot of their key to others.
    due = lanes.make_due(connection.dialect, task_ids)
    statements = [due, *_statements(task_ids, statuses), *left_out, *noted]
    look = look_up(connection.dialect, task_ids)
    if connection.is_cluster:
        connection.commit_apart(statements)
        left = connection.query(*look)
    else:
        left = connection.commit(statements, [look])[-1].rows
    undone = [row["id"] for row in left if row["status"] in statuses]
    if undone:
        raise TryAgain(f"the removal of tasks {undone} was undone by a rival node")
    return left


def _statements(task_ids: Sequence[int], statuses: Sequence[str]) -> list[Statement]:
    tasks = BoundValues(task_ids)
    return [
        (
            f"DELETE FROM task_history WHERE {tasks.is_id_of_one('task_id')} AND EXISTS "
            "(SELECT 1 FROM tasks WHERE tasks.id = task_history.task_id "
            f"AND {status_in(statuses, 'tasks.status')})",
            tasks.values,
        ),
        (
            f"DELETE FROM tasks WHERE {tasks.is_one_of_them} AND {status_in(statuses)}",
            tasks.values,
        ),
        task_tags.delete(tasks),
    ]


def _refusal(task_id: int, row: Row | None) -> QueueError:
    if row is None:
        return NotFound(f"Task {task_id} not found")
    if row["status"] == "claimed":
        return Conflict(
            f"Task {task_id} is claimed by a worker: cancel it, and delete it when it has ended"
        )
    return Conflict(f"Task {task_id} is {row['status']} now: its status changed meanwhile")
