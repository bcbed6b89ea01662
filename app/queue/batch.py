"""Changes of many tasks in one transaction, each by whoever holds the task, each accepted or
refused on its own.

Everything that workers send about tasks they hold goes through here: outcomes and heartbeats.
"""

from __future__ import annotations

from app.queue import change_id
from app.queue.bound_values import parts
from app.queue.fencing import GuardedUpdate, lock_tasks, transact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.errors import QueueError
    from app.queue.fencing import LeaseRef
    from app.site import Site


class Change:
    """One change of one task by its worker. Changes of one ``kind`` go into one UPDATE."""

    kind: str
    lease_ref: LeaseRef

    def long_texts(self) -> Sequence[str | None]:
        """The values that may make a statement too long."""
        return ()

    @staticmethod
    def statements(site: Site, changes: Sequence[Any], change_id: int) -> list[Statement]:
        """The UPDATE that makes all of these changes, each of another task and fenced by its lease
        reference, then what goes with it.
        """
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


class Group:
    """Changes that one UPDATE makes, with their positions in the batch."""

    def __init__(self, members: Sequence[tuple[int, Change]]) -> None:
        self.positions = [position for position, _ in members]
        self.changes = [change for _, change in members]
        self.task_ids = [change.lease_ref.task_id for change in self.changes]
        self._change_id = change_id.new_change_id()

    def change_id(self, run: int) -> int:
        return change_id.of_run(self._change_id, run)

    def statements(self, site: Site, run: int) -> list[Statement]:
        return self.changes[0].statements(site, self.changes, self.change_id(run))

    def changed(self, count: int, rows: dict[int, Row], run: int) -> list[Changed]:
        """What became of each, where the UPDATE changed so many of them."""
        return [
            self._changed(rows.get(task_id), count == len(self.task_ids), run)
            for task_id in self.task_ids
        ]

    def _changed(self, row: Row | None, all_done: bool, run: int) -> Changed:
        if row is None:
            return Changed(None, False, False)
        is_done = all_done or row["change_id"] == self.change_id(run)
        was_done = row["change_id"] in [self.change_id(each) for each in range(run)]
        return Changed(row, is_done, was_done)


class Batch:
    """Changes in the order in which they were asked for. Their results come in the same order."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        self._groups = _groups(changes)

    def send(
        self, connection: Connection, site: Site, and_then: Sequence[Statement] = ()
    ) -> list[Changed]:
        """All of the changes in one round trip, with other statements after them."""
        run = connection.earlier_runs
        statements = self._locks(connection.dialect)
        updates: list[GuardedUpdate] = []
        for group in self._groups:
            updates.append(GuardedUpdate(group.task_ids, group.change_id(run), len(statements)))
            statements += group.statements(site, run)
        # They all come from one call.
        access = self.changes[0].lease_ref.access
        results, rows = transact(connection, [*statements, *and_then], updates, access=access)
        changed: dict[int, Changed] = {}
        for group, update in zip(self._groups, updates):
            count = results[update.position].changed
            changed.update(zip(group.positions, group.changed(count, rows, run)))
        return [changed[position] for position in range(len(self.changes))]

    def _locks(self, sql: Dialect) -> list[Statement]:
        """One UPDATE locks its tasks in the order of their ids. Before several UPDATEs all of the
        tasks are locked in that order, so that two batches with the same tasks wait for each other
        instead of deadlocking.
        """
        if len(self._groups) < 2 or not sql.lock:
            return []
        return lock_tasks(sql, {each.lease_ref.task_id for each in self.changes})


def _groups(changes: Sequence[Change]) -> list[Group]:
    """Changes of one kind together. Several changes of one task each get a group of their own, in
    their order: only then can be told for which of them the lease reference held.
    """
    ids = [each.lease_ref.task_id for each in changes]
    repeated = {each for each in ids if ids.count(each) > 1} if len(set(ids)) < len(ids) else set()
    by_kind: dict[str, list[tuple[int, Change]]] = {}
    groups = []
    for position in sorted(range(len(changes)), key=ids.__getitem__):
        member = (position, changes[position])
        if ids[position] in repeated:
            groups.append(Group([member]))
        else:
            by_kind.setdefault(changes[position].kind, []).append(member)
    for members in by_kind.values():
        groups += [Group(part) for part in parts(members, lambda each: each[1].long_texts())]
    return groups
