"""Workers: who is alive, what each is doing, how it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.dashboard.display import export
from app.dashboard.forms import confirming
from app.queue import listing, workers
from app.queue.clock import now
from app.queue.worker_states import worker_page, worker_states

if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SHOWN = 50
SHOWN_TASKS = 20
LAST_PAGE = 1000


def show_all(visit: Visit) -> Response:
    if export.format_of(visit):
        rows = workers.list_all(visit.site, export.MOST_ROWS + 1)
        told = [{**serializers.worker(row), **serializers.worker_stats(row)} for row in rows]
        return export.file_of(visit, "workers", told)
    number = min(visit.query.number("page") or 1, LAST_PAGE)
    page = worker_page(visit.site, SHOWN, (number - 1) * SHOWN)
    return visit.render(
        "workers/list.html",
        page=page,
        number=number,
        has_more=page.total > number * SHOWN,
        as_of=visit.as_of(page.as_of),
    )


def show(visit: Visit) -> PageResponse:
    row = workers.get(visit.site, visit.name)
    moment = now(visit.site)
    held = [{"claimed_by": row["id"], "held": row["active_tasks"]}]
    (worker,) = worker_states(visit.site, moment, [row], held)
    tasks = listing.find(visit.site, {"worker_id": row["id"], "status": "claimed"}, SHOWN_TASKS)
    return visit.render("workers/show.html", worker=worker, tasks=tasks, as_of=visit.as_of(moment))


def release(visit: Visit) -> Response:
    """Give back what a worker holds that will not come back."""
    address = f"/workers/{visit.name}"
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            f"Release the tasks of {visit.name}?",
            "Other workers get them at once. What this worker still reports of them is refused.",
            "Release them",
            visit.url(address),
        )
    count = workers.deregister(visit.site, visit.name)
    told = "A task was released" if count == 1 else f"{count} tasks were released"
    return visit.redirect(address, told)
