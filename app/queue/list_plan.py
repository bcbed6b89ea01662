"""Which index scans a list of tasks reads: those of the filter that fewest tasks pass."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.created_range import IdRange
from app.queue.list_scans import (
    Arm,
    all_tasks,
    newest_of_types,
    of_status,
    of_type,
    page,
)
from app.queue.task_action import status_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from app.db.connection import Dialect
    from app.queue.list_scans import IndexScan

    Query = Callable[[str], Sequence[Mapping[Any, Any]]]

MAX_SCANS = 100
"""A list by a pattern merges an index scan for each type, at most so many."""

HEAD = 2000
"""With more types than that, so many of the newest tasks are looked through first."""

REACH = 2000
"""So many entries of an index are looked at to estimate how many there are."""


class ListFilter:
    """What the tasks of a list must pass. ``statuses`` are stored ones; None in ``statuses`` and
    in ``types`` (ids) lets all pass. ``scans`` are those of the filters that have an index of their
    own, and ``residual`` conditions that no index has.
    """

    def __init__(
        self,
        statuses: Sequence[str] | None,
        types: Sequence[int] | None,
        scans: Sequence[IndexScan],
        residual: Sequence[str],
    ) -> None:
        self.statuses = statuses
        self.types = types
        self.scans = scans
        self.residual = residual

    @property
    def each_status(self) -> Sequence[str | None]:
        return self.statuses or (None,)


class ListPlan:
    """``query`` returns the rows of a statement; ``ids`` are those that tasks in the list have,
    or fewer once it is known what is on the page.
    """

    def __init__(self, sql: Dialect, query: Query, wanted: ListFilter, ids: IdRange) -> None:
        self._sql = sql
        self._query = query
        self._wanted = wanted
        self.ids = ids

    def arms(self, depth: int | None) -> list[Arm]:
        """The scans that find the newest ``depth`` tasks, or with None any of them; none if there
        cannot be any.
        """
        wanted = self._wanted
        ways = [
            self._by(scan, [each for each in wanted.scans if each is not scan])
            for scan in wanted.scans
        ]
        if not ways:
            return self._by_any_types(depth)
        if wanted.types is not None or wanted.statuses is not None:
            ways.append(self._by_types(wanted.types))
        return self._smallest([way for way in ways if len(way) <= MAX_SCANS])

    def _by(self, scan: IndexScan, probes: Sequence[IndexScan]) -> list[Arm]:
        """The index of one status is asked about each id; with several statuses the task itself
        is, once.
        """
        wanted = self._wanted
        residual = [*wanted.residual]
        if wanted.statuses is not None and len(wanted.statuses) == 1:
            probes = [*probes, of_status(wanted.statuses[0])]
        elif wanted.statuses is not None:
            residual.append(status_in(wanted.statuses, "t.status"))
        return [Arm(scan, probes, residual, wanted.types)]

    def _by_types(self, types: Sequence[int] | None) -> list[Arm]:
        wanted = self._wanted
        scans = self._scans_of_all_types()
        if types is not None:
            scans = [
                of_type(str(int(each)), status) for status in wanted.each_status for each in types
            ]
        return [Arm(scan, wanted.scans, wanted.residual) for scan in scans]

    def _by_any_types(self, depth: int | None) -> list[Arm]:
        """Without a scan for each type where that would be very many."""
        types = self._wanted.types
        if types is None or len(types) <= MAX_SCANS:
            return self._by_types(types)
        through_all = [
            Arm(scan, (), self._wanted.residual, types) for scan in self._scans_of_all_types()
        ]
        if depth is not None and self._is_in_head(types, depth):
            return through_all
        newest = self._newest(types)
        few: Sequence[int] = list(newest)
        if depth is not None and not self._wanted.residual:
            # Each of these has a task that is newer than all tasks of the types left out.
            few = sorted(newest, key=newest.__getitem__, reverse=True)[:depth]
        return self._by_types(few) if len(few) <= MAX_SCANS else through_all

    def _scans_of_all_types(self) -> list[IndexScan]:
        return [of_status(each) if each else all_tasks() for each in self._wanted.each_status]

    def _is_in_head(self, types: Sequence[int], depth: int) -> bool:
        """Whether the newest tasks hold all of the page. Then ``ids`` are no more than these."""
        sql = self._sql
        head = page(sql, [Arm(scan) for scan in self._scans_of_all_types()], self.ids, HEAD, 0)
        conditions = [f"t.type_id IN ({id_list(types)})", *self._wanted.residual]
        (row,) = self._query(
            f"SELECT COUNT(*) AS hits, MIN(head.id) AS lowest FROM ({head}) AS head "
            f"{sql.then_join} tasks AS t {sql.by_primary_key} ON t.id = head.id "
            f"WHERE {' AND '.join(conditions)}"
        )
        if row["hits"] < depth:
            return False
        self.ids = IdRange(row["lowest"], self.ids.end)
        return True

    def _newest(self, types: Sequence[int]) -> dict[int, int]:
        """The highest id of each of these types that has any task."""
        newest: dict[int, int] = {}
        for status in self._wanted.each_status:
            rows = self._query(newest_of_types(self._sql, status, types, self.ids))
            for row in rows:
                if row["newest"] is not None:
                    newest[row["type_id"]] = max(row["newest"], newest.get(row["type_id"], 0))
        return newest

    def _smallest(self, ways: Sequence[list[Arm]]) -> list[Arm]:
        if len(ways) == 1:
            return ways[0]
        reaches = [
            f"SELECT {position} AS way, entries, lowest, highest FROM "
            f"({arm.reach(self._sql, self.ids, REACH // len(way))}) AS r{position}x{n}"
            for position, way in enumerate(ways)
            for n, arm in enumerate(way)
        ]
        entries = [0.0] * len(ways)
        for row in self._query(" UNION ALL ".join(reaches)):
            way = ways[row["way"]]
            entries[row["way"]] += self._estimate(row, REACH // len(way))
        return ways[entries.index(min(entries))]

    def _estimate(self, reach: Mapping[Any, Any], limit: int) -> float:
        """How many entries there are in all, if the ones below lie as close as the first ones."""
        count = float(reach["entries"])
        if count < limit:
            return count
        highest, lowest = int(reach["highest"]), int(reach["lowest"])
        return count * (highest - self.ids.first + 1) / (highest - lowest + 1)
