"""Retrying and purging dead letters, many at once."""

from __future__ import annotations

from app.api import fields
from app.api.response import Response
from app.api.spooled.fields import QUEUE, job_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

RETRIED_AT_ONCE = 100
PURGED_AT_ONCE = 1000


@fields.reads(title="`true`", const=True)
def confirmation(value: Any) -> bool:
    if value is not True:
        raise ValueError("must be true: purged jobs are gone for good")
    return True


RETRY = fields.Fields(
    {},
    queue_name=QUEUE,
    job_ids=job_ids,
    limit=fields.integer(1, RETRIED_AT_ONCE),
)
PURGE = fields.Fields(
    {"confirm": confirmation},
    queue_name=QUEUE,
    older_than=fields.time,
    limit=fields.integer(1, fields.MAX_ID, advised=PURGED_AT_ONCE),
)


def retry_dead_letters(call: Call) -> Response:
    """Those with these ids, or else the oldest ones."""
    from app.queue import dead_letters

    values = call.fields(RETRY)
    if "job_ids" in values:
        result = dead_letters.retry_these(call.site, values["job_ids"], call.access, call.actor)
    else:
        meant = dead_letters.DeadLetters(
            values.get("limit", RETRIED_AT_ONCE), values.get("queue_name"), access=call.access
        )
        result = dead_letters.retry_dead_letters(call.site, meant, call.actor)
    payload = {
        "retried_count": len(result.changed),
        "retried_jobs": [str(each) for each in result.changed],
        "skipped_jobs": [],
        "has_more": result.has_more,
    }
    return Response(200, payload)


def purge_dead_letters(call: Call) -> Response:
    from app.queue import dead_letters

    values = call.fields(PURGE)
    limit = min(values.get("limit", PURGED_AT_ONCE), PURGED_AT_ONCE)
    meant = dead_letters.DeadLetters(
        limit, values.get("queue_name"), values.get("older_than"), call.access
    )
    result = dead_letters.purge_dead_letters(call.site, meant, call.actor)
    return Response(200, {"purged_count": len(result.changed), "has_more": result.has_more})
