"""How many tasks a list has in all: exactly where the counts tell, else counted up to a limit."""

from __future__ import annotations

from app.queue.list_count import Count
from app.queue.task_filter import TaskFilter, query_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.queue.access import Access
    from app.site import Site

MOST = 10_000

COUNTED = {"status", "stored_statuses", "type"}
"""The filters whose tasks the counts tell."""


def list_total(
    site: Site,
    filters: Mapping[str, Any],
    access: Access | None = None,
    time_share: float = 1.0,
) -> Count:
    """Of the tasks that pass the filters, as :class:`TaskFilter` has them, on whatever page.

    ``time_share`` is as in :meth:`TaskFilter.count`. Raises a DatabaseError.
    """
    lasting = {name: value for name, value in filters.items() if name != "before_id"}
    task_filter = TaskFilter(site.db.dialect, query_of(site), lasting, access)
    if set(lasting) <= COUNTED:
        return Count(_told_by_counts(site, task_filter))
    return task_filter.count(MOST, time_share=time_share)


def _told_by_counts(site: Site, task_filter: TaskFilter) -> int:
    from app.queue.statistics.reading import read

    types, statuses = task_filter.types, task_filter.statuses
    return sum(
        total
        for (type_id, status, _), total in read(site).counts.items()
        if (types is None or type_id in types) and (statuses is None or status in statuses)
    )
