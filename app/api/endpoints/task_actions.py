"""What people do to single tasks."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.fields import Fields
from app.api.response import Response, success

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

NOTHING = Fields({})
EDIT = Fields(
    {},
    params=fields.json_object,
    priority=fields.priority,
    max_attempts=fields.integer(1, 1000),
)


def cancel(call: Call) -> Response:
    from app.queue.cancel import cancel

    call.fields(NOTHING)
    row = cancel(call.site, call.task_id, call.access, call.actor)
    data = serializers.task(row, serializers.CANCELLED)
    asked = "Cancel requested successfully: the worker hears it at its next heartbeat"
    return success(data, asked if data["cancel_requested"] else "Task cancelled successfully")


def retry(call: Call) -> Response:
    from app.queue.retry import retry

    values = call.fields(EDIT)
    edit = None
    if values:
        from app.queue.task_edit import TaskEdit

        edit = TaskEdit(**values)
    row = retry(call.site, call.task_id, call.access, call.actor, edit)
    data = serializers.task(row)
    return success(data, "Task is pending again: retried successfully")


def delete(call: Call) -> Response:
    from app.queue.delete import delete

    call.fields(NOTHING)
    delete(call.site, call.task_id, call.access, call.actor)
    return success({"id": call.task_id, "deleted": True}, "Task deleted successfully")
