"""A web run: waiting tasks are run during this request, for hosts without cron."""

from __future__ import annotations

import time

from app.api import fields
from app.api.response import Response, success
from app.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.api.call import Call

HIGHEST_SHOWN = 10_000

RUN = fields.Fields(
    {},
    token=fields.text(255),
    seconds=fields.BySetting("RUN_SECONDS", lambda s: fields.number(1, s.run_seconds)),
)


def run(call: Call) -> Response:
    """Until nothing waits, or for ``seconds``."""
    from app.api.run_process import RunFailed, run_waiting_tasks
    from app.queue.waiting import count_due

    site, began = call.site, time.monotonic()
    seconds = _values(call).get("seconds", site.settings.run_seconds)
    try:
        done = run_waiting_tasks(site, seconds)
    except RunFailed as error:
        raise Conflict(f"The run failed: {error}. What it printed is in logs/run.log") from error
    data = {
        **done,
        "remaining": count_due(site, HIGHEST_SHOWN),
        "seconds": round(time.monotonic() - began, 3),
    }
    return success(data, "Run ended successfully")


def _values(call: Call) -> dict[str, Any]:
    """From the query, where pingers can send nothing else, and from the body, which wins."""
    query = dict(call.request.query)
    if "seconds" in query:
        query["seconds"] = fields.query_number(query["seconds"])
    values = call.read(RUN, query)
    return {**values, **call.fields(RUN)} if call.request.method == "POST" else values
