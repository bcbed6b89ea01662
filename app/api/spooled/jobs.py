"""Reading, retrying and cancelling one job."""

from __future__ import annotations

from app.api.response import Response
from app.api.spooled.fields import NOTHING
from app.api.spooled.serializers import job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call


def get_job(call: Call) -> Response:
    from app.queue.find_task import find_task

    return Response(200, job(find_task(call.site, call.task_id), call.site.settings))


def retry_job(call: Call) -> Response:
    from app.queue.retry import retry

    call.fields(NOTHING)
    return Response(200, job(retry(call.site, call.task_id), call.site.settings))


def cancel_job(call: Call) -> Response:
    from app.queue.cancel import cancel

    call.fields(NOTHING)
    cancel(call.site, call.task_id)
    return Response(204, None)
