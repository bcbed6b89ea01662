"""Types with ``max_running``: no more of their tasks run at once, however many claim."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.claim_transaction import is_marked
from app.queue.eligible_types import EligibleTypes, types_with_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Row, Statement
    from app.queue.claim_transaction import ClaimTransaction


class TypeLimits:
    """The limits that a claim keeps to."""

    def __init__(self, transaction: ClaimTransaction) -> None:
        self._transaction = transaction

    def within(self, rows: list[Row], limited: list[int]) -> list[Row]:
        """Open a transaction that keeps rivals away from types with ``max_running``, and leave
        out the tasks that would go over it, now that the count stands still.

        The rows of the types are written, not only locked: the nodes of a cluster know nothing
        of one another's locks.
        """
        connection = self._transaction.connection
        sql = connection.dialect
        condition = f"id IN ({id_list(limited)})"
        marked: Statement = (
            f"UPDATE task_types SET claim_mark = {self._transaction.mark} WHERE {condition}",
            {},
        )
        # A repeat has looked at the tasks before in this transaction.
        stale = self._transaction.is_open and connection.has_snapshots
        counted = types_with_running(sql, None, condition, sql.lock if stale else "")
        found = self._transaction.begin([marked, (counted, {})])
        return EligibleTypes(found[-1].rows).within_capacity(rows)

    def guard(self, limited: list[int]) -> str:
        """Ends the condition of what takes tasks: of these types only while they are marked."""
        if not limited:
            return ""
        marked = is_marked("task_types", "tasks.type_id", self._transaction.mark)
        return f" AND (type_id NOT IN ({id_list(limited)}) OR {marked})"
