"""The list of tasks: searched, filtered, paged, and as a file."""

from __future__ import annotations

from app.api import serializers
from app.dashboard.display import export
from app.dashboard.display.task_lines import TaskLine
from app.dashboard.task_filters import AGES, STATUSES, TaskFilters
from app.queue.list_total import list_total
from app.queue.task_page import TaskPage, list_context, task_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit
    from app.queue.list_count import Count

PAGE = 40

TIME_SHARE = 0.4
"""Of the time that a call of the API may spend on counting; an open page asks all day."""


def show(visit: Visit) -> Response:
    context = list_context(visit.site)
    filters = TaskFilters(visit.query, visit.site.settings, context.now)
    if export.format_of(visit) and not filters.errors:
        return _file(visit, filters)
    page, total = TaskPage([], None), None
    if not filters.errors:
        before_id, after_id = visit.query.number("before_id"), visit.query.number("after_id")
        page = task_page(visit.site, filters.values, PAGE, before_id, after_id)
        total = _total(visit, filters)
    return visit.render(
        "tasks/list.html",
        400 if filters.errors else 200,
        filters=filters,
        statuses=STATUSES,
        ages=AGES,
        types=context.types,
        page=page,
        tasks=[TaskLine(row, context.now) for row in page.rows],
        total=total,
        is_first=page.after_id is None and visit.query.number("before_id") is None,
        is_search="q" in filters.values,
        as_of=visit.as_of(context.now),
    )


def _total(visit: Visit, filters: TaskFilters) -> Count | None:
    """None of a search, which is not counted."""
    return (
        None
        if "q" in filters.values
        else list_total(visit.site, filters.values, time_share=TIME_SHARE)
    )


def _file(visit: Visit, filters: TaskFilters) -> Response:
    from app.queue.newest_first import newest_tasks  # loaded when needed

    values = dict(filters.values)
    before_id = visit.query.number("before_id")
    if before_id is not None:
        values["before_id"] = before_id
    found = newest_tasks(visit.site, values)
    rows = [serializers.task(row) for row in found.rows]
    return export.file_of(
        visit,
        "tasks",
        rows,
        serializers.ALL,
        is_capped=found.next_before_id is not None,
        next_before_id=found.next_before_id,
    )
