"""Failed tasks, in groups of the same kind of error."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success
from app.queue.statistics.failures import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

MAX_LIMIT = 100

LIST = fields.Fields(
    {}, type=fields.text(255), limit=fields.integer(1, fields.MAX_ID, told=MAX_LIMIT)
)


def list_all(call: Call) -> Response:
    query = {name: text for name, text in call.request.query.items() if text}
    if "limit" in query:
        query["limit"] = fields.query_number(query["limit"])
    values = call.read(LIST, query)
    limit = values.get("limit", 50)
    if limit > MAX_LIMIT:
        call.warnings.append(f"limit was lowered from {limit} to {MAX_LIMIT}, the most at once")
        limit = MAX_LIMIT
    groups = failures(call.site, values.get("type"), limit, call.access)
    found = [serializers.failure_group(each) for each in groups]
    return success({"failures": found, "count": len(found)}, "Failures")
