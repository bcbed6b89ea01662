"""Failed tasks, in groups of the same kind of error."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.queue.statistics.failures import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

LIST = fields.Fields({}, type=fields.text(255), limit=fields.list_limit)


def list_all(call: Call) -> Response:
    values = call.query(LIST)
    limit = call.take_limit(values)
    groups = failures(call.site, values.get("type"), limit, call.access)
    found = [serializers.failure_group(each) for each in groups]
    return success({"failures": found, "count": len(found)}, "Failures")
