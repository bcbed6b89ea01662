"""What concerns the queue as a whole."""

from __future__ import annotations

from app.dashboard.forms import confirming
from app.queue import pause as pausing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit


def pause(visit: Visit) -> Response:
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            "Pause the whole queue?",
            "Workers get no tasks until it is resumed. New tasks are taken, and wait.",
            "Pause it",
            visit.url(),
        )
    pausing.pause_queue(visit.site, actor=visit.actor)
    return visit.redirect("", "The queue is paused")


def resume(visit: Visit) -> Response:
    pausing.resume_queue(visit.site, actor=visit.actor)
    return visit.redirect("", "The queue goes on")
