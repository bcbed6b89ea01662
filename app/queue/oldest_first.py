"""All tasks of a list, the oldest first, some at a time: for what reads any number of them."""

from __future__ import annotations

from app.queue import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from app.queue.task_filter import Rows
    from app.site import Site

MOST_TASKS = 200
"""At once. A task may have a result of half a megabyte."""

FEW_TASKS = 50
"""With fewer in a window the next one is wider."""


class OldestFirst:
    """Iterates over windows of ids, each with its tasks that pass the filters of ``listing.find``.

    Lists are read newest first, so each window is a list of its own. Tasks that are made after the
    iteration began are left out. Raises a DatabaseError.
    """

    def __init__(self, site: Site, filters: Mapping[str, Any]) -> None:
        self._site = site
        self._filters = filters
        newest = listing.find(site, filters, 1)
        self._first = lowest_id(site) if newest else 0
        self._end: int = newest[0]["id"] + 1 if newest else 0
        self.length = self._end - self._first
        """How many ids the windows cover in all."""

    def __iter__(self) -> Iterator[tuple[Rows, int]]:
        """The tasks of each window, and how many ids it covers."""
        first, width = self._first, MOST_TASKS
        while first < self._end:
            end = min(first + width, self._end)
            window = {**self._filters, "from_id": first, "before_id": end}
            rows = listing.find(self._site, window, MOST_TASKS)
            if len(rows) == MOST_TASKS and width > MOST_TASKS:
                width //= 2  # it may hold more than were read
                continue
            yield rows[::-1], end - first
            first = end
            if len(rows) < FEW_TASKS:
                width *= 2


def lowest_id(site: Site) -> int:
    """The lowest id of any task, 0 where there is none."""
    sql = "SELECT MIN(id) AS lowest FROM tasks"
    (row,) = site.db.run(lambda connection: connection.query(sql, {}))
    return int(row["lowest"] or 0)
