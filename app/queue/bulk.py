"""Retrying, cancelling and deleting many tasks: a bounded number in each call, newest first, until
the caller has gone through all of them.
"""

from __future__ import annotations

from app.queue import audit
from app.queue.bulk_tasks import FilteredTasks, ListedTasks, SearchedTasks
from app.queue.list_count import Count
from app.queue.task_filter import MAX_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from app.errors import QueueError
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.queue.bulk_tasks import BulkTasks
    from app.queue.task_action import ActionResult, TaskAction
    from app.site import Site

BATCH = 100
"""How many tasks one transaction changes: workers wait for its locks."""

SHARE_OF_TIME = 0.5
"""The share of the call's time after which no batch begins: the last one must get done."""

MOST_REASONS = 100
"""How many of the skipped tasks are named, with the reason."""


class BulkRequest:
    """Which tasks: those of ``ids``, or those that pass the ``filters`` of lists; with
    ``before_id`` only those with a lower id. At most ``limit`` are changed, and none that
    ``access`` does not show. ``actor`` is who does it, for the audit log.
    """

    def __init__(
        self,
        ids: Sequence[int] | None,
        filters: Mapping[str, Any],
        limit: int,
        before_id: int | None = None,
        access: Access | None = None,
        actor: Actor | None = None,
    ) -> None:
        self.ids = ids
        self.filters = filters
        self.limit = limit
        self.access = access
        self.actor = actor
        self.before_id = MAX_ID if before_id is None else before_id


class BulkChange:
    """``matched`` and ``remaining`` are how many tasks the action could change before and after;
    ``skipped`` how many it could not, ``reasons`` why some of them not. ``next_before_id`` is from
    where to go on, None when the call has seen all tasks.
    """

    def __init__(self, matched: Count) -> None:
        self.matched = matched
        self.remaining = matched
        self.changed = 0
        self.skipped = 0
        self.reasons: list[tuple[int, QueueError]] = []
        self.next_before_id: int | None = None

    def add(self, result: ActionResult) -> None:
        self.changed += len(result.changed)
        self.skipped += len(result.refusals)
        left = MOST_REASONS - len(self.reasons)
        self.reasons += list(result.refusals.items())[:left]


def change_many(
    site: Site, action: TaskAction, request: BulkRequest, is_dry_run: bool = False
) -> BulkChange:
    """Change the tasks, or only count them."""
    tasks = _tasks(site, action, request)
    result = BulkChange(tasks.count(request.before_id))
    if is_dry_run:
        return result
    try:
        result.next_before_id = _go_through(site, action, request, tasks, result)
    finally:
        if result.changed:
            audit.write(site, request.actor, action.name, None, **_noted(request, result))
    if result.next_before_id is None:
        result.remaining = Count(0)
    else:
        result.remaining = _remaining(tasks, result.next_before_id)
    return result


def _noted(request: BulkRequest, result: BulkChange) -> dict[str, Any]:
    """For the audit log: how many were changed, and by which filter they were found."""
    detail: dict[str, Any] = {"count": result.changed}
    if request.filters:
        detail["filter"] = dict(request.filters)
    return detail


def _remaining(tasks: BulkTasks, before_id: int) -> Count:
    """0 only when no task is left to look at: callers go on until it is."""
    found = tasks.count(before_id)
    return Count(1, True) if found.is_capped and found.total == 0 else found


def _tasks(site: Site, action: TaskAction, request: BulkRequest) -> BulkTasks:
    if request.ids is not None:
        return ListedTasks(site, action, request.ids, request.access)
    if "q" in request.filters:
        return SearchedTasks(site, action, request.filters, request.access)
    return FilteredTasks(site, action, request.filters, request.access)


def _go_through(
    site: Site, action: TaskAction, request: BulkRequest, tasks: BulkTasks, result: BulkChange
) -> int | None:
    """Change one batch after another while there is time. Returns from where to go on."""
    keep = site.db.seconds_left() * (1 - SHARE_OF_TIME)
    before_id = request.before_id
    while True:
        page = tasks.page(request.limit - result.changed, before_id)
        for batch in _batches(page.ids):
            result.add(_change(site, action, batch, tasks.statuses, request.access))
            before_id = batch[-1]
            if site.db.seconds_left() < keep:
                return before_id
        if page.next_before_id is None:
            return None
        before_id = page.next_before_id
        if result.changed >= request.limit or site.db.seconds_left() < keep:
            return before_id


def _change(
    site: Site,
    action: TaskAction,
    task_ids: Sequence[int],
    statuses: Sequence[str],
    access: Access | None,
) -> ActionResult:
    return site.db.run(
        lambda connection: action.change(connection, site, task_ids, statuses, access),
        repeatable=False,
    )


def _batches(task_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(task_ids), BATCH):
        yield task_ids[start : start + BATCH]
