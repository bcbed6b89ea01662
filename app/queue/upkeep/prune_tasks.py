"""Which tasks are pruned, and in which order they are looked at.

No index is kept for it, since it would cost each settle. Tasks are found by the index of their
status, in the order of their ids, which is that of their creation. Cursors remember how far each
pass has come:

- two passes of each status go up to the tasks that were made too lately to be over. The first one
  follows close behind them and finds those that ended soon after they were made; the second comes
  a day later. Types with a retention of their own have such passes, too;
- a sweep of each status goes slowly through all of its tasks, again and again. It finds what the
  passes went by: tasks that ended long after they were made or were retried, those made while a
  clock was wrong, and all whose retention was changed.
"""

from __future__ import annotations

import time

from app.queue.upkeep import ended_tasks
from app.queue.upkeep.retention import RESULT, STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row
    from app.queue.upkeep.cursors import Cursors
    from app.queue.upkeep.retention import Retention
    from app.queue.upkeep.turn import Budget

    Run = Callable[[Callable[[Connection], Any]], Any]
    Tell = Callable[[str, int], None]

PAGE = 500
"""How many tasks are looked at in one statement."""

FIRST_CHUNK = 20
MOST_CHUNK = 100
CHUNK_SECONDS = 0.04
"""How many tasks are deleted in one transaction, at first and at most, and how long that may take:
on SQLite all others wait for it to end."""

LAGS = {"close": 600.0, "late": 86400.0}
"""How far behind the tasks that cannot be over each of the two passes stays, in seconds."""

SWEEP_SHARE = 4
"""The sweeps of a turn take one part in so many of its time, and look at one page each at least."""


class Pass:
    """One way through the tasks of a status. ``kind`` is what is pruned of them; without a
    ``type_id`` those of all types that have no retention of their own.
    """

    def __init__(self, kind: str, lag: str, type_id: int | None = None) -> None:
        self.kind = kind
        self.status = status_of(kind)
        self.lag = LAGS[lag]
        self.type_id = type_id
        self.name = f"{kind}.{lag}" if type_id is None else f"{kind}.{lag}.{type_id}"


def status_of(kind: str) -> str:
    return "completed" if kind == RESULT else kind


def sweep_name(status: str) -> str:
    return f"{status}.sweep"


class TaskPruner:
    """``run`` runs a unit of work, ``tell`` is told how many of a kind were pruned, and ``pause``
    says for how many times as long as a transaction took to leave the database to others.
    """

    def __init__(
        self,
        run: Run,
        sql: Dialect,
        retention: Retention,
        tell: Tell,
        *,
        keeps_keys: bool,
        pause: float = 0.0,
    ) -> None:
        self._run = run
        self._sql = sql
        self._retention = retention
        self._tell = tell
        self._keeps_keys = keeps_keys
        self._pause = pause
        self._chunk = FIRST_CHUNK

    def passes(self) -> list[Pass]:
        """Those that are needed."""
        found = []
        for kind in (*STATUSES, RESULT):
            types: list[int | None] = [None, *self._retention.own_types(kind)]
            found += [
                Pass(kind, lag, type_id)
                for type_id in types
                if self._retention.seconds(kind, type_id) is not None
                for lag in LAGS
            ]
        return found

    def run_pass(self, each: Pass, cursors: Cursors, budget: Budget) -> bool:
        """Go on from the cursor to the tasks that are too young. False if the budget did not do."""
        seconds = self._retention.seconds(each.kind, each.type_id)
        left_out = set(self._retention.own_types(each.kind)) if each.type_id is None else set()
        while seconds is not None:
            rows = self._page(each.status, each.type_id, cursors[each.name])
            due = self._expired(each.kind, [row for row in rows if row["type_id"] not in left_out])
            undone = self._prune(each.kind, due, budget)
            old = [row["id"] for row in rows if (row["age"] or 0) >= seconds + each.lag]
            if undone:
                old = [task_id for task_id in old if task_id < undone[0]]
            if old:
                cursors[each.name] = old[-1]
            if undone:
                return False
            if len(rows) < PAGE or not old or old[-1] < rows[-1]["id"]:
                return True
            if budget.is_spent:
                return False
        return True

    def sweep(self, status: str, cursors: Cursors, budget: Budget) -> None:
        """Look at the next tasks of the status, whatever their age."""
        name = sweep_name(status)
        kinds = self._kinds(status)
        while kinds:
            rows = self._page(status, None, cursors[name])
            for kind, over in self._by_kind(kinds, rows):
                undone = self._prune(kind, over, budget)
                if undone:  # here the next turn goes on
                    cursors[name] = undone[0] - 1
                    return
            if len(rows) < PAGE:
                cursors[name] = 0
                return
            cursors[name] = rows[-1]["id"]
            if budget.is_spent:
                return

    def prune_all(self, status: str, budget: Budget) -> bool:
        """All tasks of the status that are over now. False if the budget did not do."""
        kinds = self._kinds(status)
        for rows in self._pages(status) if kinds else ():
            for kind, over in self._by_kind(kinds, rows):
                if self._prune(kind, over, budget):
                    return False
            if budget.is_spent:
                return False
        return True

    def count_all(self, status: str) -> None:
        """Tell how many are over now, and change nothing."""
        kinds = self._kinds(status)
        for rows in self._pages(status) if kinds else ():
            for kind, over in self._by_kind(kinds, rows):
                self._tell(kind, len(over))

    def _kinds(self, status: str) -> list[str]:
        """What is pruned of the tasks of a status."""
        kinds = [status, RESULT] if status_of(RESULT) == status else [status]
        return [kind for kind in kinds if self._retention.is_needed(kind)]

    def _by_kind(
        self, kinds: Sequence[str], rows: Sequence[Row]
    ) -> Iterator[tuple[str, Sequence[int]]]:
        """The ids of the tasks that are over; of those that stay, the ones whose results are."""
        for kind in kinds:
            over = self._expired(kind, rows)
            yield kind, over
            gone = set(over)
            rows = [row for row in rows if row["id"] not in gone]

    def _pages(self, status: str) -> Iterator[list[Row]]:
        after = 0
        while True:
            rows = self._page(status, None, after)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]

    def _page(self, status: str, type_id: int | None, after: int) -> list[Row]:
        statement = ended_tasks.look(self._sql, status, type_id, after, PAGE)
        rows: list[Row] = self._run(lambda connection: connection.query(*statement))
        return rows

    def _expired(self, kind: str, rows: Sequence[Row]) -> list[int]:
        return [row["id"] for row in rows if ended_tasks.is_over(self._retention, kind, row)]

    def _prune(self, kind: str, ids: Sequence[int], budget: Budget) -> Sequence[int]:
        """Prune these, some in each transaction. Those that the budget did not do for."""
        while ids:
            some, ids = ids[: self._chunk], ids[self._chunk :]
            begun = time.monotonic()
            self._tell(kind, self._run(self._work(kind, some)))
            took = time.monotonic() - begun
            wanted = int(len(some) * CHUNK_SECONDS / max(took, 0.001))
            self._chunk = max(1, min(MOST_CHUNK, wanted, 2 * self._chunk))
            if self._pause:
                time.sleep(took * self._pause)
            if budget.is_spent:
                break
        return ids

    def _work(self, kind: str, ids: Sequence[int]) -> Callable[[Connection], int]:
        status, retention = status_of(kind), self._retention
        if kind == RESULT:
            return lambda c: ended_tasks.clear_results(c, retention, status, ids)
        return lambda c: ended_tasks.delete(c, retention, status, ids, self._keeps_keys)
