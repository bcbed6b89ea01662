"""How many tasks the index scans of a list find: counted as long as that is quick."""

from __future__ import annotations

import time

from app.queue.created_range import IdRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from app.db.connection import Dialect
    from app.queue.list_scans import Arm

    Query = Callable[[str], Sequence[Mapping[Any, Any]]]

COUNT_SECONDS = 0.025
"""So long a count may take, its planning included."""

SURELY_READ = 1000
"""So many entries of indexes are read however long that takes: small numbers are exact."""

MOST_READ = 4000
"""So many entries are read by one statement, if each entry's task has to be looked at."""

LEAST_READ = 200
"""No statement is sent for fewer."""

SCANS_AT_ONCE = 16
"""So many index scans are read by one statement."""


class Count:
    """How many tasks there are, at least if it ``is_capped``."""

    def __init__(self, total: int, is_capped: bool = False) -> None:
        self.total = total
        self.is_capped = is_capped


class ListCount:
    """Counts the tasks that ``arms`` find among ``ids``. ``query`` returns the rows of a statement.

    What is read is bounded, not only what is found: where few tasks pass, a count that goes on
    until it has found enough reads them all.
    """

    def __init__(
        self, sql: Dialect, query: Query, arms: Sequence[Arm], ids: IdRange, ends_at: float
    ) -> None:
        """``ends_at`` is by the monotonic clock."""
        self._sql = sql
        self._query = query
        self._left = [_Scan(arm, ids) for arm in arms]
        self._ends_at = ends_at
        self._total = 0
        self._read = 0

    def run(self, most: int) -> Count:
        """Counting ends at ``most``, too."""
        size = SURELY_READ
        while self._left and self._total <= most:
            began, read = time.monotonic(), self._read
            self._read_next(size, most + 1)
            size = self._next_size(self._read - read, began)
            if size == 0 and self._left and self._total <= most:
                return Count(self._total, True)
        return Count(min(self._total, most), self._total > most)

    def _next_size(self, read: int, began: float) -> int:
        """How many entries can be read in the time that is left, 0 where it is over."""
        if self._read < SURELY_READ:
            return SURELY_READ
        now = time.monotonic()
        in_time = int(max(1, read) * (self._ends_at - now) / max(1e-6, now - began))
        return 0 if in_time < LEAST_READ else min(in_time, MOST_READ)

    def _read_next(self, size: int, most: int) -> None:
        scans = self._left[:SCANS_AT_ONCE]
        if not any(scan.looks_at_tasks for scan in scans):
            size = most  # an index alone is read this far in a few milliseconds
        limit = -(-size // len(scans))
        found = [scan.next(self._sql, limit, n) for n, scan in enumerate(scans)]
        ended = set()
        for row in self._query(" UNION ALL ".join(found)):
            self._total += row["total"]
            self._read += row["entries"]
            if row["entries"] < limit:
                ended.add(row["scan"])
            else:
                scans[row["scan"]].go_on_below(row["lowest"])
        going_on = [scan for n, scan in enumerate(scans) if n not in ended]
        self._left = going_on + self._left[SCANS_AT_ONCE:]


class _Scan:
    """One index scan, as far as it was not read yet."""

    def __init__(self, arm: Arm, ids: IdRange) -> None:
        self.looks_at_tasks = arm.looks_at_tasks
        self._arm = arm
        self._ids = ids

    def next(self, sql: Dialect, limit: int, position: int) -> str:
        found = self._arm.passed(sql, self._ids, limit)
        return f"SELECT {position} AS scan, entries, lowest, total FROM ({found}) AS c{position}"

    def go_on_below(self, task_id: int) -> None:
        self._ids = IdRange(self._ids.first, task_id)
