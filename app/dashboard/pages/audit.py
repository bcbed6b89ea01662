"""The audit log: who did which operating action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.queue import audit

if TYPE_CHECKING:
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SHOWN = 50


def show(visit: Visit) -> PageResponse:
    actor, action = visit.query.get("actor"), visit.query.get("action")
    before = visit.query.number("before")
    rows = audit.read(visit.site, SHOWN + 1, before, action or None, actor or None)
    return visit.render(
        "audit/list.html",
        entries=[serializers.audit_entry(row) for row in rows[:SHOWN]],
        filters={"actor": actor, "action": action},
        older=rows[SHOWN - 1]["id"] if len(rows) > SHOWN else None,
        as_of=visit.as_of(),
    )
