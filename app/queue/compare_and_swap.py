"""The statements with which a claim takes tasks: those that are still pending change hands."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.task_fields import FIELD_OF, SHOWN_WITH_CLAIM, TYPE_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.config import Settings
    from app.db.connection import Connection, Dialect, Statement
    from app.queue.claim import ClaimRequest

LEASE = (
    "COALESCE(:lease, timeout, "
    "(SELECT task_types.timeout FROM task_types WHERE task_types.id = tasks.type_id), "
    ":default_lease)"
)

TIMEOUT = (
    "COALESCE(timeout, (SELECT task_types.timeout FROM task_types "
    "WHERE task_types.id = tasks.type_id)) AS timeout"
)

_SHOWN = [FIELD_OF[name].column for name in SHOWN_WITH_CLAIM if name != "type"]

TAKEN_COLUMNS = ", ".join(
    dict.fromkeys([*_SHOWN, "type_id", "status", "releases", TIMEOUT, TYPE_NAME])
)
"""What is read of a task that was claimed."""


def take(
    sql: Dialect, settings: Settings, request: ClaimRequest, ids: list[int], change_id: int
) -> Statement:
    """Gives those of these tasks that are still pending to the claim; a guard may follow."""
    return (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'claimed', attempts = attempts + 1, "
        f"lease = {LEASE}, due_at = {sql.after(LEASE)}, change_id = :change_id, "
        "claim_id = :claim_id, claimed_by = :worker_id, claimed_key = :key_id, "
        f"claimed_at = {sql.now}, "
        "last_outcome = NULL, completed_at = NULL, progress = NULL, progress_message = NULL "
        f"WHERE id IN ({id_list(ids)}) AND status = 'pending'",
        {
            "lease": request.lease,
            "default_lease": settings.task_claim_timeout,
            "worker_id": request.worker_id,
            "key_id": request.key_id,
            "change_id": change_id,
            "claim_id": request.claim_id,
        },
    )


def show(
    connection: Connection, request: ClaimRequest, ids: list[int], change_id: int
) -> Statement:
    """Finds those of these tasks that the claim took."""
    sql = connection.dialect
    mine = took(ids, change_id)
    if connection.is_cluster:
        # By the time that this is looked at, a cancel may have marked the task as its own.
        mine += f" OR id IN ({id_list(ids)}) AND {_cancelled_since(request)}"
    return f"SELECT {TAKEN_COLUMNS} FROM tasks {sql.by_primary_key} WHERE {mine}", {}


def took(ids: list[int], change_id: int) -> str:
    """True of the tasks that the claim took."""
    return f"id IN ({id_list(ids)}) AND change_id = {change_id}"


def _cancelled_since(request: ClaimRequest) -> str:
    claim_id = int(request.claim_id)
    return f"status = 'claimed' AND cancel_requested = 1 AND claim_id = {claim_id}"
