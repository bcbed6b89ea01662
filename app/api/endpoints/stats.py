"""Statistics: how the queue is doing, and how it did."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.errors import Forbidden
from app.queue.statistics import series as time_series
from app.queue.statistics import stats as statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

STATS = fields.Fields({}, type=fields.text(255), worker_id=fields.worker_id)
SERIES = fields.Fields({}, period=fields.one_of(tuple(time_series.PERIODS)), type=fields.text(255))

NO_HISTORY = (
    "no history is kept (ENABLE_TASK_HISTORY), so that nothing but the counts of tasks is known"
)


def stats(call: Call) -> Response:
    values = call.query(STATS)
    if "type" in values and "worker_id" in values:
        message = "cannot be given together with type: leave one out"
        raise fields.invalid([{"path": "worker_id", "message": message}])
    _warn_without_history(call)
    if "worker_id" in values:
        _refuse_key_for_some_types(call)
        found = statistics.stats_of_worker(call.site, values["worker_id"])
    else:
        found = statistics.stats(call.site, values.get("type"), call.access)
    return success(serializers.stats(found), "Statistics")


def series(call: Call) -> Response:
    values = call.query(SERIES)
    _warn_without_history(call)
    period = values.get("period", "hour")
    found = time_series.series(call.site, period, values.get("type"), call.access)
    data = {
        "points": [serializers.point(each) for each in found.points],
        "step_seconds": found.step_seconds,
    }
    return success(data, "Statistics over time")


def _refuse_key_for_some_types(call: Call) -> None:
    if call.access is not None and call.access.type_patterns is not None:
        raise Forbidden(
            f"The API key {call.access.name!r} is for some task types alone, and what a worker did "
            "is about all of them: leave worker_id out"
        )


def _warn_without_history(call: Call) -> None:
    if not call.site.settings.enable_task_history:
        call.warnings.append(NO_HISTORY)
