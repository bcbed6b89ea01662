"""A claim that is sent again gets what its first sending got, whichever of them comes first.

The two may be under way at the same time, at different web servers or nodes of a cluster. So each
claim with a key writes the row of its worker: this puts them in an order. A repeat looks for what
was taken before, and takes only where there is nothing; a first sending that finds itself overtaken
by its own repeat gets what that took.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import last_seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Statement

TAKEN_COLUMNS = (
    "id, type_id, params_json, attempts, max_attempts, releases, urgency, due_at, lease, "
    "created_at, COALESCE(timeout, (SELECT task_types.timeout FROM task_types "
    "WHERE task_types.id = tasks.type_id)) AS timeout"
)

HELD = "status = 'claimed' AND claim_id = :claim_id AND claimed_by = :worker_id"


def come_first(
    sql: Dialect, worker_id: str, claim_id: int, mark: int, has_row: bool
) -> list[Statement]:
    """Mark the worker's row for a first sending, unless its repeat was here before. ``has_row``
    where the row was just seen: then none has to be made.
    """
    update: Statement = (
        f"UPDATE workers SET claim_mark = {mark} WHERE id = :worker "
        f"AND (repeated_claim IS NULL OR repeated_claim <> {claim_id})",
        {"worker": worker_id},
    )
    return [update] if has_row else [last_seen.make_known(sql, worker_id), update]


def take_turn(sql: Dialect, worker_id: str, claim_id: int, mark: int) -> list[Statement]:
    """Mark the worker's row for a repeat."""
    return [
        last_seen.make_known(sql, worker_id),
        (
            f"UPDATE workers SET claim_mark = {mark}, repeated_claim = {claim_id} "
            "WHERE id = :worker",
            {"worker": worker_id},
        ),
    ]


def last_repeated(sql: Dialect, worker_id: str) -> Statement:
    """Finds which of the worker's claims was repeated last."""
    return ("SELECT repeated_claim FROM workers WHERE id = :worker", {"worker": worker_id})


def held(sql: Dialect, worker_id: str, claim_id: int) -> Statement:
    """Finds the ids of what the claim took and its worker still holds."""
    # All claimed tasks are looked through: there are never many, and this is rare.
    return (
        f"SELECT id FROM tasks {sql.by_index('tasks_claim')} WHERE {HELD}",
        {"claim_id": claim_id, "worker_id": worker_id},
    )


def renew(sql: Dialect, worker_id: str, claim_id: int, ids: list[int]) -> list[Statement]:
    """Begin the leases of these tasks again, then find them as a claim shows them."""
    values = {"claim_id": claim_id, "worker_id": worker_id}
    held = f"id IN ({id_list(ids)}) AND {HELD}"
    return [
        (
            f"UPDATE tasks {sql.by_primary_key} SET due_at = {sql.after('lease')} WHERE {held}",
            values,
        ),
        (
            f"SELECT {TAKEN_COLUMNS}, (SELECT task_types.name FROM task_types "
            f"WHERE task_types.id = tasks.type_id) AS type "
            f"FROM tasks {sql.by_primary_key} WHERE {held} ORDER BY urgency, id",
            values,
        ),
    ]
