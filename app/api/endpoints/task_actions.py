"""What people do to single tasks."""

from __future__ import annotations

from app.api.fields import Fields
from app.api.http import Response, success
from app.queue import operate
from app.queue.view import shown_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

NOTHING = Fields({})


def cancel(call: Call) -> Response:
    call.fields(NOTHING)
    row = operate.cancel(call.site, call.task_id)
    data = {
        "id": row["id"],
        "status": shown_status(row["status"]),
        "cancel_requested": bool(row["cancel_requested"]),
    }
    asked = "Cancel requested successfully: the worker hears it at its next heartbeat"
    return success(data, asked if data["cancel_requested"] else "Task cancelled successfully")


def retry(call: Call) -> Response:
    call.fields(NOTHING)
    row = operate.retry(call.site, call.task_id)
    data = {key: row[key] for key in ("id", "status", "attempts", "max_attempts")}
    return success(data, "Task is pending again: retried successfully")


def delete(call: Call) -> Response:
    call.fields(NOTHING)
    operate.delete(call.site, call.task_id)
    return success({"id": call.task_id, "deleted": True}, "Task deleted successfully")
