"""The tasks that an action on many is about: those of a list of ids, or those that pass filters."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.list_count import Count
from app.queue.search import TaskSearch
from app.queue.task_action import status_in
from app.queue.task_filter import TaskFilter, query_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.db.connection import Statement
    from app.queue.access import Access
    from app.queue.task_action import TaskAction
    from app.site import Site

MOST_COUNTED = 10_000
"""Counting ends here: what a count costs must not grow with the queue."""

READS_TASKS = {"tag", "created_after", "created_before"}
"""The filters for which each task is read anyway when there is one scan for all statuses."""


class Page:
    """Some tasks, the highest ids first. ``next_before_id`` is from where to go on, None at the
    end.
    """

    def __init__(self, ids: Sequence[int], next_before_id: int | None) -> None:
        self.ids = ids
        self.next_before_id = next_before_id


class BulkTasks:
    """``statuses`` are the stored ones in which they may be changed."""

    statuses: Sequence[str]

    def count(self, before_id: int) -> Count:
        """How many of them have ids below ``before_id`` and can be changed."""
        raise NotImplementedError

    def page(self, most: int, before_id: int) -> Page:
        """The next ones below ``before_id``."""
        raise NotImplementedError


class ListedTasks(BulkTasks):
    def __init__(
        self, site: Site, action: TaskAction, task_ids: Sequence[int], access: Access | None
    ) -> None:
        self.statuses = action.statuses
        self._site = site
        self._action = action
        all_types: Statement = ("1 = 1", {})
        self._visible, self._own = all_types if access is None else access.types("types.name")
        self._ids = sorted(set(task_ids), reverse=True)

    def count(self, before_id: int) -> Count:
        ids = id_list(each for each in self._ids if each < before_id)
        sql = self._site.db.dialect
        conditions = [
            f"t.id IN ({ids})",
            status_in(self.statuses, "t.status"),
            *self._action.conditions,
            self._visible,
        ]
        count = (
            f"SELECT COUNT(*) AS total FROM tasks AS t {sql.by_primary_key} "
            f"{sql.then_join} task_types AS types {sql.by_primary_key} ON types.id = t.type_id "
            f"WHERE {' AND '.join(conditions)}"
        )
        (row,) = self._site.db.run(lambda connection: connection.query(count, self._own))
        return Count(row["total"])

    def page(self, most: int, before_id: int) -> Page:
        ids = [each for each in self._ids if each < before_id]
        return Page(ids[:most], ids[most - 1] if len(ids) > most else None)


class FilteredTasks(BulkTasks):
    def __init__(
        self, site: Site, action: TaskAction, filters: Mapping[str, Any], access: Access | None
    ) -> None:
        def task_filter(statuses: Sequence[str] | None, conditions: Sequence[str]) -> TaskFilter:
            return TaskFilter(
                site.db.dialect, query_of(site), filters, access, statuses, conditions
            )

        self._filter = self._counted = task_filter(action.scanned, action.conditions)
        self._not_counted = None
        if action.left_out and not READS_TASKS & set(filters):
            # Counting all and these few reads indexes alone; a condition would need each task.
            self._counted = task_filter(action.scanned, ())
            self._not_counted = task_filter(action.left_out, ())
        self.statuses = _both(action.statuses, self._filter.statuses)

    def count(self, before_id: int) -> Count:
        if self._not_counted is None:
            return self._filter.count(MOST_COUNTED, before_id)
        few = self._not_counted.count(MOST_COUNTED, before_id)
        if few.is_capped:
            return self._filter.count(MOST_COUNTED, before_id)
        found = self._counted.count(MOST_COUNTED + few.total, before_id)
        return Count(max(0, found.total - few.total), found.is_capped)

    def page(self, most: int, before_id: int) -> Page:
        ids = self._filter.ids(most, before_id)
        return Page(ids, ids[-1] if len(ids) == most else None)


class SearchedTasks(BulkTasks):
    """Those that also hold a text: as far as they are found in the time of one search."""

    def __init__(
        self, site: Site, action: TaskAction, filters: Mapping[str, Any], access: Access | None
    ) -> None:
        self._search = TaskSearch(
            site.db.dialect, query_of(site), filters, access, action.scanned, action.conditions
        )
        self.statuses = _both(action.statuses, self._search.statuses)

    def count(self, before_id: int) -> Count:
        result = self._search.find(MOST_COUNTED, before_id)
        return Count(len(result.ids), result.next_before_id is not None)

    def page(self, most: int, before_id: int) -> Page:
        result = self._search.find(most, before_id)
        return Page(result.ids, result.next_before_id)


def _both(statuses: Sequence[str], of_filter: Sequence[str] | None) -> list[str]:
    return [each for each in statuses if of_filter is None or each in of_filter]
