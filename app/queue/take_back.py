"""Taking a task back from its worker, when an operator knows that this one is gone."""

from __future__ import annotations

from app.errors import Conflict
from app.queue import audit
from app.queue.batch import Batch
from app.queue.fencing import LeaseRef
from app.queue.find_task import row_or_not_found
from app.queue.release import Release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection
    from app.queue.audit import Actor
    from app.site import Site


def take_back(site: Site, task_id: int, actor: Actor | None = None) -> None:
    """Release the task for its worker: the attempt does not count, and what the worker still
    reports is refused. Raises NotFound; Conflict unless the task is claimed.
    """
    site.db.run(lambda connection: _take_back(connection, site, task_id, actor))


def _take_back(connection: Connection, site: Site, task_id: int, actor: Actor | None) -> None:
    look = "SELECT id, status, claimed_by, attempts FROM tasks WHERE id = :id"
    found = connection.query(look, {"id": task_id})
    row = row_or_not_found({each["id"]: each for each in found}, task_id)
    if row["status"] != "claimed":
        raise Conflict(f"Task {task_id} is {row['status']}: there is no worker to take it from")
    lease_ref = LeaseRef(task_id, row["claimed_by"], row["attempts"])
    noted = audit.record(
        connection.dialect,
        actor,
        "task.release",
        str(task_id),
        "EXISTS (SELECT 1 FROM tasks WHERE id = :task_id AND attempts = :attempt "
        "AND status <> 'claimed')",
        {"task_id": task_id, "attempt": row["attempts"]},
        worker=row["claimed_by"],
    )
    changed = Batch([Release(lease_ref)]).send(connection, site, noted)[0]
    if not (changed.is_done or changed.was_done):
        raise lease_ref.refusal(changed.row)
