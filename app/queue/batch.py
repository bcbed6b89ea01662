"""Changes of many tasks in one transaction, each by whoever holds the task, each judged alone.

Everything that workers send about tasks they hold goes through here: outcomes and heartbeats.
"""

from __future__ import annotations

from app.queue import change_id
from app.queue.fencing import transact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Row, Statement
    from app.errors import QueueError
    from app.queue.fencing import LeaseRef
    from app.site import Site


class Change:
    """One change of one task by its worker."""

    lease_ref: LeaseRef

    def statements(self, site: Site, change_id: int) -> list[Statement]:
        """The UPDATE that the lease reference fences, then what goes with it."""
        raise NotImplementedError


class Changed:
    """What became of one change: its task's ``row`` afterwards, None where there is no such task;
    ``is_done`` where the lease reference held; ``was_done`` where an earlier run of the same call
    had made the change, and its COMMIT was not answered.
    """

    def __init__(self, row: Row | None, is_done: bool, was_done: bool) -> None:
        self.row = row
        self.is_done = is_done
        self.was_done = was_done


class ChangeResult:
    """The task's ``row`` after a change, or the ``refusal`` if it failed."""

    def __init__(self, task_id: int, row: Row | None, refusal: QueueError | None) -> None:
        self.task_id = task_id
        self.row: Row = row or {}
        self.refusal = refusal

    def row_or_refusal(self) -> Row:
        """The task's row. Raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.row


class Batch:
    """Changes in the order in which they were asked for. Their results come in the same order."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        self._change_ids = [change_id.new_change_id() for _ in changes]

    def send(
        self, connection: Connection, site: Site, and_then: Sequence[Statement] = ()
    ) -> list[Changed]:
        """All of the changes in one round trip, with other statements after them."""
        run = connection.earlier_runs
        ids = [change_id.of_run(each, run) for each in self._change_ids]
        statements: list[Statement] = []
        updates: list[tuple[int, int, int]] = []
        update_at = [0] * len(self.changes)
        for position in self._by_task():
            change = self.changes[position]
            update_at[position] = len(statements)
            updates.append((change.lease_ref.task_id, ids[position], len(statements)))
            statements += change.statements(site, ids[position])
        results, rows = transact(connection, [*statements, *and_then], updates)
        return [
            self._changed(position, rows, bool(results[at].changed), run)
            for position, at in enumerate(update_at)
        ]

    def _by_task(self) -> list[int]:
        """Positions in the order of the tasks' ids, so that two batches with the same tasks wait
        for each other instead of deadlocking.
        """
        positions = range(len(self.changes))
        return sorted(positions, key=lambda each: self.changes[each].lease_ref.task_id)

    def _changed(self, position: int, rows: dict[int, Row], is_done: bool, run: int) -> Changed:
        row = rows.get(self.changes[position].lease_ref.task_id)
        own = self._change_ids[position]
        earlier = [change_id.of_run(own, each) for each in range(run)]
        if row is None:
            return Changed(None, False, False)
        return Changed(row, is_done, row["change_id"] in earlier)
