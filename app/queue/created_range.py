"""Which ids tasks of a time can have, without an index on times.

Ids are given in the order of creation, or nearly: the clock of a database is set now and then,
and of two tasks made at once the later one may get its id first. So a range of ids is made wider
by ``SLACK`` on either side, and the condition on the time stays.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Query = Callable[[str], Sequence[Mapping[Any, Any]]]

SLACK = timedelta(seconds=4000)
"""By how much a task may have been created before another with a lower id: an hour, which is how
far clocks are set wrong by mistakes about summer time, and some minutes more."""

PROBES = 15
"""How many tasks are looked at in one round trip. A million take five."""


class IdRange:
    """Ids from ``first`` up to ``end``, which is not one of them."""

    def __init__(self, first: int, end: int) -> None:
        self.first = first
        self.end = end


def narrowed(
    whole: IdRange, query: Query, primary_key: str, after: str | None, before: str | None
) -> IdRange:
    """The part of a range of ids that holds every task created after and before these times.
    ``query`` returns the rows of a statement; ``primary_key`` makes it use that index.
    """
    search = _Search(query, primary_key)
    first, end = whole.first, whole.end
    if after is not None:
        first = search.first_since(datetime.fromisoformat(after) - SLACK, first, end)
    if before is not None:
        end = search.first_since(datetime.fromisoformat(before) + SLACK, first, end)
    return IdRange(first, end) if search.is_in_order else whole


class _Search:
    """A binary search, but with more than one probe at a time."""

    def __init__(self, query: Query, primary_key: str) -> None:
        self._query = query
        self._primary_key = primary_key
        self.is_in_order = True
        """False when times did not grow with the ids: something else has filled the tables."""

    def first_since(self, time: datetime, first: int, end: int) -> int:
        """The lowest id from ``first`` on that was given at this time or later, else ``end``."""
        while first < end:
            probes = sorted({first + (end - first) * n // PROBES for n in range(PROBES)})
            found = self._created_from(probes)
            for probe in probes:
                task_id, created = found.get(probe, (end, time))
                if created >= time or task_id >= end:
                    end = probe  # no task lies between the two
                    break
                first = task_id + 1
        return end

    def _created_from(self, probes: Sequence[int]) -> dict[int, tuple[int, datetime]]:
        """For each id the next task that there is: its id, and when it was created."""
        arms = [
            f"SELECT probe, id, created_at FROM (SELECT {int(probe)} AS probe, id, created_at "
            f"FROM tasks {self._primary_key} WHERE id >= {int(probe)} ORDER BY id LIMIT 1) AS n{n}"
            for n, probe in enumerate(probes)
        ]
        rows = self._query(" UNION ALL ".join(arms))
        found = {
            row["probe"]: (row["id"], datetime.fromisoformat(str(row["created_at"])))
            for row in rows
        }
        times = [found[probe][1] for probe in probes if probe in found]
        latest = list(itertools.accumulate(times, max))
        if any(time + SLACK < before for time, before in zip(times, latest)):
            self.is_in_order = False
        return found
