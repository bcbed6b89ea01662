"""The transaction of a claim, which may stay open from one of its steps to the next."""

from __future__ import annotations

from app.queue.change_id import new_change_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Result, Row, Statement


class ClaimTransaction:
    """``mark`` is what it writes into rows that only it may change meanwhile. Each transaction has
    another: writing what is there already changes no row, and no rival node would hear of it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_open = False
        self.mark = new_change_id()

    def begin(self, statements: list[Statement]) -> list[Result]:
        """The statements in the open transaction, or in a new one that stays open."""
        send = self.connection.send if self.is_open else self.connection.begin
        self.is_open = True
        return send(statements)

    def finish_and_show(self, statements: list[Statement], show: Statement) -> list[Row]:
        """Run the statements, COMMIT, and return what ``show`` finds of what they left, before
        anybody else can change it. Only on a cluster can that be read only after the COMMIT.
        """
        if self.connection.is_cluster:
            return self._finish(statements, [show])[-1].rows
        return self._finish([*statements, show], [])[-1].rows

    def end_empty_handed(self) -> None:
        if self.is_open:
            self._finish([], [])

    def _finish(self, statements: list[Statement], afterwards: list[Statement]) -> list[Result]:
        end = self.connection.commit if self.is_open else self.connection.transact
        self.is_open = False
        self.mark = new_change_id()
        return end(statements, afterwards)


def is_marked(table: str, row_id: str, mark: int) -> str:
    """True while this claim's mark on that row stands: not when a rival node has undone it."""
    return f"EXISTS (SELECT 1 FROM {table} WHERE {table}.id = {row_id} AND claim_mark = {mark})"
