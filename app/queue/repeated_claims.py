"""A claim that is sent again gets what it got the first time, whichever of the two arrives first.

The two may be under way at the same time, at different web servers or nodes of a cluster. So each
claim with a key writes the row of its worker: this puts them in an order. A repeat looks for what
was taken before, and takes only where there is nothing; a first sending that finds itself overtaken
by its own repeat gets what that took.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import last_seen
from app.queue.claim_transaction import is_marked
from app.queue.compare_and_swap import TAKEN_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Row, Statement
    from app.queue.claim import ClaimRequest
    from app.queue.claim_transaction import ClaimTransaction

HELD = "status = 'claimed' AND claim_id = :claim_id AND claimed_by = :worker_id"


class RepeatedClaim:
    """Whether a claim was sent before, and what it took then."""

    def __init__(self, transaction: ClaimTransaction, request: ClaimRequest, again: bool) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._sql = transaction.connection.dialect
        self._request = request
        self._again = again

    def taken_before(self) -> list[Row]:
        """What this claim took when it was asked for before, and is still held."""
        if not self._again:
            return []
        request = self._request
        look = held(self._sql, request.worker_id, request.claim_id)
        if request.has_key:
            # A repeat comes after whatever its first sending does at the moment, or before it.
            turn = take_turn(self._sql, request.worker_id, request.claim_id, self._transaction.mark)
            found = self._transaction.begin([*turn, look])[-1]
        else:
            found = self._connection.send([look])[0]
        ids = [row["id"] for row in found.rows]
        if not ids:
            return []
        renewal, show = renew(self._sql, request.worker_id, request.claim_id, ids)
        return self._transaction.finish_and_show([renewal], show)

    def is_overtaken(self) -> bool:
        """Whether a repeat of this very claim came before it: then both are to get the same."""
        if self._again or not self._request.has_key:
            return False
        rows = self._connection.query(*last_repeated(self._sql, self._request.worker_id))
        self._again = bool(rows) and rows[0]["repeated_claim"] == self._request.claim_id
        return self._again

    def opening(self, has_row: bool) -> list[Statement]:
        """What comes before a claim takes tasks."""
        request = self._request
        if self._again or not request.has_key:
            return []
        return come_first(
            self._sql, request.worker_id, request.claim_id, self._transaction.mark, has_row
        )

    @property
    def guard(self) -> str:
        """Ends the condition of what takes tasks: not when another of the two came between."""
        if not self._request.has_key:
            return ""
        return f" AND {is_marked('workers', ':worker_id', self._transaction.mark)}"


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
            f"SELECT {TAKEN_COLUMNS} FROM tasks {sql.by_primary_key} "
            f"WHERE {held} ORDER BY urgency, id",
            values,
        ),
    ]
