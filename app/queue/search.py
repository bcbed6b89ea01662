"""Free text in tasks: in dedupe keys, params, results, errors and tags.

No cheap host has an index for that. What is exactly an id, a dedupe key or a tag is found by their
indexes. Otherwise the newest tasks that pass the other filters are read, a bounded number and for
a bounded time in each call; the caller goes on from where it ended.
"""

from __future__ import annotations

import time

from app import json_text
from app.db.connection import id_list
from app.queue.task_filter import MAX_ID, TaskFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from app.db.connection import Dialect
    from app.queue.access import Access
    from app.queue.task_filter import Query

MOST_SEARCHED = 20_000
"""So many tasks are read in one call."""

SEARCH_SECONDS = 1.0
"""For so long a call goes on beginning to read more."""

CHUNK = 100
"""So many tasks are read at first; a task may have a megabyte."""

LARGEST_CHUNK = 1600

MAX_ID_DIGITS = 18

QUICK_SECONDS = 0.05
"""Twice as many are read next where those before took less."""

COLUMNS = ("t.dedupe_key", "t.tags", "t.error_message", "t.error_traceback")
JSON_COLUMNS = ("t.params_json", "t.result_json")


class SearchResult:
    """The ``ids`` of what was found; how many tasks were ``searched``; ``next_before_id`` is from
    where to go on, None when all were searched.
    """

    def __init__(self, ids: Sequence[int] = (), next_before_id: int | None = None) -> None:
        self.ids = list(ids)
        self.searched = 0
        self.next_before_id = next_before_id


class TaskSearch:
    """The tasks that pass all ``filters``, with their text ``q`` in upper or lower case. ``query``
    and what follows are as :class:`TaskFilter` has them.
    """

    def __init__(
        self,
        sql: Dialect,
        query: Query,
        filters: Mapping[str, Any],
        access: Access | None = None,
        statuses: Sequence[str] | None = None,
        conditions: Sequence[str] = (),
    ) -> None:
        def task_filter(filters: Mapping[str, Any]) -> TaskFilter:
            return TaskFilter(sql, query, filters, access, statuses, conditions)

        self._sql = sql
        self._text: str = filters["q"]
        self._filter = task_filter(filters)
        self._tagged = None
        if "tag" not in filters:
            self._tagged = task_filter({**filters, "tag": self._text})

    @property
    def statuses(self) -> Sequence[str] | None:
        return self._filter.statuses

    def find(
        self, limit: int, before_id: int = MAX_ID, leave_out: Collection[int] = ()
    ) -> SearchResult:
        """The newest ones below ``before_id``, but for those to leave out."""
        result = SearchResult()
        ends_at = time.monotonic() + SEARCH_SECONDS
        size = CHUNK
        while True:
            began = time.monotonic()
            ids = self._filter.ids(size, before_id)
            found = [each for each in self._matches(ids) if each not in leave_out]
            room = limit - len(result.ids)
            result.ids += found[:room]
            if len(found) >= room:
                result.next_before_id = result.ids[-1]
                result.searched += sum(each >= result.ids[-1] for each in ids)
                return result
            result.searched += len(ids)
            if len(ids) < size:
                return result
            before_id = ids[-1]
            if time.monotonic() > ends_at or result.searched >= MOST_SEARCHED:
                result.next_before_id = before_id
                return result
            if time.monotonic() - began < QUICK_SECONDS:
                size = min(2 * size, LARGEST_CHUNK)

    def exact(self, limit: int) -> list[int]:
        """The tasks of which the text is the id, the dedupe key or a tag, the newest first."""
        rows = self._filter.query(
            f"SELECT id FROM tasks {self._sql.by_index('tasks_dedupe')} "
            f"WHERE dedupe_key = :q LIMIT {limit}"
        )
        ids = {row["id"] for row in rows}
        if self._text.isascii() and self._text.isdigit() and len(self._text) <= MAX_ID_DIGITS:
            ids.add(int(self._text))
        found = set(self._filter.passing(ids))
        if self._tagged is not None:
            found.update(self._tagged.ids(limit))
        return sorted(found, reverse=True)[:limit]

    def _matches(self, ids: Sequence[int]) -> list[int]:
        if not ids:
            return []
        arms = [f"INSTR(LOWER({column}), LOWER(:q)) > 0" for column in COLUMNS]
        arms += [f"INSTR(LOWER({column}), LOWER(:q_in_json)) > 0" for column in JSON_COLUMNS]
        rows = self._filter.query(
            f"SELECT t.id FROM tasks AS t {self._sql.by_primary_key} "
            f"WHERE t.id IN ({id_list(ids)}) AND ({' OR '.join(arms)}) ORDER BY t.id DESC",
            q_in_json=json_text.dumps(self._text)[1:-1],
        )
        return [row["id"] for row in rows]
