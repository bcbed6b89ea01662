"""The audit log: who did which operating action."""

from __future__ import annotations

from app.api import fields, serializers
from app.api.response import Response, success

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.api.call import Call

LIST = fields.Fields(
    {},
    limit=fields.list_limit,
    before_id=fields.integer(1, fields.MAX_ID),
    action=fields.text(64),
    actor=fields.text(150),
)


def list_all(call: Call) -> Response:
    from app.queue import audit

    values = call.query(LIST)
    limit = call.take_limit(values)
    entries = [serializers.audit_entry(row) for row in audit.read(call.site, limit, **values)]
    data = {
        "entries": entries,
        "count": len(entries),
        "next_before_id": entries[-1]["id"] if len(entries) == limit else None,
    }
    return success(data, "Audit log")
