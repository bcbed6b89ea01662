"""The newest tasks of a list with all that is known of them: as many as one call can hand out."""

from __future__ import annotations

from app.queue import listing
from app.queue.find_task import find_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.queue.task_filter import Rows
    from app.site import Site

MOST_TASKS = 5000

MOST_CHARACTERS = 20_000_000
"""In all params, results and tracebacks. They are held in memory until they are sent."""

CHUNK = 25
"""So many tasks are read at first; a task may have several megabytes."""

LARGEST_CHUNK = 400

SEARCH_CHUNK = 100
"""So many tasks are found by each search: with another number, later ones would leave out others of
the exact hits than the first one had."""

MANY_CHARACTERS = 500_000
"""Twice as many tasks are read next where those before had less."""

SHARE_OF_TIME = 0.5
"""No more are read when this share of the call's time is over."""

LONG_TEXTS = ("params_json", "result_json", "error_message", "error_traceback")


class NewestTasks:
    """``rows`` with the newest first; ``next_before_id`` is from where to go on, None when these
    are all.
    """

    def __init__(self) -> None:
        self.rows: list[Mapping[Any, Any]] = []
        self.next_before_id: int | None = None
        self.characters = 0

    def add(self, rows: Rows) -> int:
        """Returns how many characters they have."""
        self.rows += rows
        characters = sum(len(row[name] or "") for row in rows for name in LONG_TEXTS)
        self.characters += characters
        return characters

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= MOST_TASKS or self.characters >= MOST_CHARACTERS


def newest_tasks(site: Site, filters: Mapping[str, Any]) -> NewestTasks:
    """Those that pass the filters of lists; ``before_id`` may be one. Raises a DatabaseError."""
    read = _searched if "q" in filters else _listed
    result, size = NewestTasks(), CHUNK
    before_id: int | None = filters.get("before_id")
    keep = site.db.seconds_left() * (1 - SHARE_OF_TIME)
    while True:
        window = filters if before_id is None else {**filters, "before_id": before_id}
        rows, before_id = read(site, window, min(size, MOST_TASKS - len(result.rows)))
        characters = result.add(rows)
        if before_id is None:
            return result
        if result.is_full or site.db.seconds_left() < keep:
            result.next_before_id = before_id
            return result
        if characters < MANY_CHARACTERS:
            size = min(2 * size, LARGEST_CHUNK)


def _listed(site: Site, filters: Mapping[str, Any], limit: int) -> tuple[Rows, int | None]:
    rows = listing.find(site, filters, limit)
    return rows, rows[-1]["id"] if len(rows) == limit else None


def _searched(site: Site, filters: Mapping[str, Any], _: int) -> tuple[Rows, int | None]:
    found = listing.search(site, filters, SEARCH_CHUNK)
    return find_tasks(site, found.ids) if found.ids else [], found.next_before_id
