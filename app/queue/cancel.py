"""Cancelling: a waiting task ends, the worker of a claimed one is asked to stop."""

from __future__ import annotations

from app.errors import Conflict
from app.queue import audit, history
from app.queue.change_id import new_change_id
from app.queue.fencing import GuardedUpdate, transact
from app.queue.find_task import row_or_not_found
from app.queue.task_fields import ALL_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Row
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site


def cancel(
    site: Site, task_id: int, access: Access | None = None, actor: Actor | None = None
) -> Row:
    """Cancel a waiting task; ask the worker of a claimed one to stop at its next heartbeat.

    Cancelling twice is fine. Raises NotFound; Conflict when the task has ended otherwise.
    """
    rows = site.db.run(lambda connection: _cancel(connection, site, task_id, access, actor))
    row = row_or_not_found(rows, task_id)
    if row["status"] not in ("cancelled", "claimed"):
        raise Conflict(f"Task {task_id} is {row['status']} already: there is nothing to cancel")
    return row


def _cancel(
    connection: Connection,
    site: Site,
    task_id: int,
    access: Access | None,
    actor: Actor | None,
) -> dict[int, Row]:
    sql = connection.dialect
    visible, own = ("", {}) if access is None else access.tasks()
    change_id = new_change_id()
    changed = f"id = {int(task_id)} AND change_id = {change_id}"
    values = {"id": task_id, **own}
    waiting = (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'cancelled', due_at = NULL, "
        f"change_id = {change_id}, completed_at = {sql.now} "
        f"WHERE id = :id AND status IN ('pending', 'scheduled'){visible}"
    )
    claimed = (
        f"UPDATE tasks {sql.by_primary_key} SET cancel_requested = 1, change_id = {change_id} "
        f"WHERE id = :id AND status = 'claimed' AND cancel_requested = 0{visible}"
    )
    noted = history.record(site.settings, sql, changed, worker="NULL")
    statements = [(waiting, values), *noted, (claimed, values)]
    positions = (0, len(statements) - 1)
    updates = [GuardedUpdate([task_id], change_id, each) for each in positions]
    statements += audit.record_task(sql, actor, "task.cancel", task_id, change_id)
    return transact(connection, statements, updates, ALL_COLUMNS, access)[1]
