"""Claiming jobs."""

from __future__ import annotations

from app.api.response import Response
from app.api.spooled.fields import CLAIM
from app.api.spooled.serializers import claimed_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call


def claim_jobs(call: Call) -> Response:
    from app.queue.claim import ClaimRequest, claim
    from app.queue.eligible_types import Filter

    values = call.fields(CLAIM)
    request = ClaimRequest(
        values["worker_id"],
        values.get("limit", 1),
        values.get("lease_duration_secs"),
        Filter(task_types=[values["queue_name"]]),
        access=call.access,
    )
    tasks = claim(call.site, request).tasks
    return Response(200, {"jobs": [claimed_job(row, call.site.settings) for row in tasks]})
