"""The first task of a new site: made and done before its owner's eyes."""

from __future__ import annotations

from app.api.run_process import run_waiting_tasks
from app.dashboard.routes import resolve
from app.errors import TaskManagerError
from app.queue.create import create
from app.queue.new_task import NewTask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.dashboard.page_response import Redirect
    from app.dashboard.visit import Visit

TASK_TYPE = "example.echo"
"""The installer registers it, and its handler is in handlers.py."""

MESSAGE = "Hello from the installer"
SECONDS = 10.0

SIGNED_IN = "You are signed in."
DONE = "You are signed in. This is your first task: it was created, claimed and done just now."
WAITS = "You are signed in. This is your first task. It waits for a worker: set up the cron line."


def show_first_task(visit: Visit) -> Redirect:
    """Lead to the task. Where it cannot be made or done, the owner is signed in all the same."""
    try:
        (made,) = create(visit.site, [NewTask(TASK_TYPE, {"message": MESSAGE})])
    except TaskManagerError:
        return visit.redirect("")
    path = f"/tasks/{made.id}"
    if resolve("GET", path).page is None:
        path = ""
    return visit.redirect(path, SIGNED_IN if made.deduplicated else _do(visit))


def _do(visit: Visit) -> str:
    """What there is to say about it."""
    seconds = min(SECONDS, visit.site.settings.run_seconds)
    try:
        run_waiting_tasks(visit.site, seconds)
    except TaskManagerError:
        return WAITS
    return DONE
