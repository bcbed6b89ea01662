"""One task: what it was asked, what became of it, and what can be done about it."""

from __future__ import annotations

from app.api import serializers
from app.dashboard.display import filters
from app.dashboard.display.long_text import LongText
from app.dashboard.display.task_timeline import Excerpt, Timeline
from app.dashboard.display.waiting_reasons import waiting_reasons
from app.dashboard.forms import confirming
from app.dashboard.page_response import FileResponse
from app.dashboard.type_address import type_url
from app.queue.lanes import told_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

UNFINISHED = ("pending", "scheduled", "claimed")
JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


def show(visit: Visit) -> PageResponse:
    from app.queue.task_detail import task_detail

    detail = task_detail(visit.site, visit.id)
    timeline = Timeline(detail.row, detail.changes)
    task = serializers.task(detail.row)
    lease_end = task["lease_expires_at"]
    return visit.render(
        "task/task.html",
        task=task,
        stored_status=told_status(detail.row["status"]),
        is_unfinished=told_status(detail.row["status"]) in UNFINISHED,
        detail=detail,
        timeline=timeline,
        segments=Excerpt(timeline.segments),
        attempts=timeline.attempts[::-1],
        reasons=waiting_reasons(detail),
        params=LongText(filters.pretty(task["params"])),
        result=_json_or_none(task["result"]),
        long_text=LongText,
        type_url=type_url,
        is_lease_over=lease_end is not None and filters.has_come(lease_end, detail.now),
        as_of=visit.as_of(detail.now),
    )


def params(visit: Visit) -> FileResponse:
    """All of the params, as a file."""
    return _file(visit, "params")


def result(visit: Visit) -> FileResponse:
    return _file(visit, "result")


def error(visit: Visit) -> FileResponse:
    """The whole error of the last attempt, with its traceback."""
    task = _task(visit)
    parts = [task["error_message"], task["error_traceback"]]
    text = "\n\n".join(part for part in parts if part)
    return _attachment(text, TEXT_TYPE, f"task-{visit.id}-error.txt")


def retry(visit: Visit) -> Response:
    from app.queue.retry import retry

    retry(visit.site, visit.id, actor=visit.actor)
    return visit.redirect(_path(visit), "The task is pending again.")


def cancel(visit: Visit) -> Response:
    from app.queue.cancel import cancel

    row = cancel(visit.site, visit.id, actor=visit.actor)
    notice = "The task is cancelled."
    if row["status"] == "claimed":
        notice = "The worker is asked to stop: it hears of it at its next heartbeat."
    return visit.redirect(_path(visit), notice)


def release(visit: Visit) -> Response:
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            f"Release task {visit.id}?",
            "Another worker can claim it at once, and the attempt does not count. If its worker "
            "still works on it, the work is done twice: whatever that worker reports is refused.",
            "Release the task",
            visit.url(_path(visit)),
        )
    from app.queue.take_back import take_back

    take_back(visit.site, visit.id, visit.actor)
    return visit.redirect(_path(visit), "The task is released: workers can claim it.")


def delete(visit: Visit) -> Response:
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            f"Delete task {visit.id}?",
            "Its params, its result and its history are deleted with it. This cannot be undone.",
            "Delete the task",
            visit.url(_path(visit)),
        )
    from app.queue.delete import delete

    delete(visit.site, visit.id, actor=visit.actor)
    return visit.redirect("/tasks", f"Task {visit.id} is deleted.")


def _path(visit: Visit) -> str:
    return f"/tasks/{visit.id}"


def _task(visit: Visit) -> dict[str, Any]:
    from app.queue.find_task import find_task

    return serializers.task(find_task(visit.site, visit.id))


def _file(visit: Visit, name: str) -> FileResponse:
    text = filters.pretty(_task(visit)[name])
    return _attachment(text + "\n", JSON_TYPE, f"task-{visit.id}-{name}.json")


def _attachment(text: str, content_type: str, filename: str) -> FileResponse:
    return FileResponse(text.encode("utf-8", "replace"), content_type, filename)


def _json_or_none(value: Any) -> LongText | None:
    return None if value is None else LongText(filters.pretty(value))
