"""The audit log: who did which operating action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.dashboard.display import export
from app.queue import audit

if TYPE_CHECKING:
    from app.api.response import Response
    from app.dashboard.visit import Visit

SHOWN = 50


def show(visit: Visit) -> Response:
    actor, action = visit.query.get("actor"), visit.query.get("action")
    before = visit.query.number("before")
    limit = (export.MOST_ROWS if export.format_of(visit) else SHOWN) + 1
    rows = audit.read(visit.site, limit, before, action or None, actor or None)
    if export.format_of(visit):
        return export.file_of(visit, "audit", [serializers.audit_entry(row) for row in rows])
    return visit.render(
        "audit/list.html",
        entries=[serializers.audit_entry(row) for row in rows[:SHOWN]],
        filters={"actor": actor, "action": action},
        older=rows[SHOWN - 1]["id"] if len(rows) > SHOWN else None,
        as_of=visit.as_of(),
    )
