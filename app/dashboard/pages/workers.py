"""Workers: who is alive, what each is doing, how it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.dashboard import confirming
from app.queue import listing, workers
from app.queue.worker_stats import DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SHOWN = 50
LAST_PAGE = 1000
SHOWN_TASKS = 20
SILENT_SECONDS = 120
"""A worker that runs comes back sooner; one that cron starts each minute does too."""


class WorkerShown:
    """A worker as its pages show it. ``state`` is alive, silent or left."""

    def __init__(self, row: Mapping[Any, Any]) -> None:
        self.row = row
        self.fields = serializers.worker(row)
        self.id: str = row["id"]
        self.held: int = row["active_tasks"]
        self.last_seen_at: str = row["last_seen_at"]
        self.done, self.failed = int(row.get("done", 0)), int(row.get("failed", 0))
        self.mean: float | None = row.get("mean")
        self.state = "left" if row["deregistered_at"] else "alive"
        if self.state == "alive" and row["silent_seconds"] > SILENT_SECONDS:
            self.state = "silent"

    @property
    def tone(self) -> str:
        """A silent worker that holds tasks is a reason to look; one that holds none is not."""
        if self.state == "alive":
            return "good"
        return "warning" if self.held else "cancelled"


def show_all(visit: Visit) -> PageResponse:
    page = min(visit.query.number("page") or 1, LAST_PAGE)
    rows = workers.list_all(visit.site, SHOWN + 1, (page - 1) * SHOWN)
    return visit.render(
        "workers/list.html",
        workers=[WorkerShown(row) for row in rows[:SHOWN]],
        page=page,
        has_more=len(rows) > SHOWN,
        days=DAYS,
        as_of=visit.as_of(),
    )


def show(visit: Visit) -> PageResponse:
    held = {"worker_id": visit.name, "status": "claimed"}
    return visit.render(
        "workers/show.html",
        worker=WorkerShown(workers.stats(visit.site, visit.name)),
        tasks=listing.find(visit.site, held, SHOWN_TASKS),
        days=DAYS,
        as_of=visit.as_of(),
    )


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
    return visit.redirect(
        address, f"{count} tasks were released" if count != 1 else "A task was released"
    )
