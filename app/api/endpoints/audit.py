"""The audit log: who did which operating action."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

MAX_LIMIT = 100

LIST = fields.Fields(
    {},
    limit=fields.integer(1, fields.MAX_ID, told=MAX_LIMIT),
    before_id=fields.integer(1, fields.MAX_ID),
    action=fields.text(64),
    actor=fields.text(150),
)
NUMBERS = ("limit", "before_id")


def list_all(call: Call) -> Response:
    from app.queue import audit

    given = {
        name: fields.query_number(text) if name in NUMBERS else text
        for name, text in call.request.query.items()
        if text != ""
    }
    values = call.read(LIST, given)
    limit = values.pop("limit", 50)
    if limit > MAX_LIMIT:
        call.warnings.append(f"limit was lowered from {limit} to {MAX_LIMIT}, the most at once")
        limit = MAX_LIMIT
    entries = [serializers.audit_entry(row) for row in audit.read(call.site, limit, **values)]
    data = {
        "entries": entries,
        "count": len(entries),
        "next_before_id": entries[-1]["id"] if len(entries) == limit else None,
    }
    return success(data, "Audit log")
