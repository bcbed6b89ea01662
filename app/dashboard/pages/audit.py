"""The audit log: who did which operating action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.queue import audit

if TYPE_CHECKING:
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SHOWN = 50
MAX_ID_DIGITS = 18


def show(visit: Visit) -> PageResponse:
    filters = {name: visit.query.get(name) for name in ("actor", "action")}
    given = {name: text for name, text in filters.items() if text}
    before = visit.query.get("before")
    if before.isascii() and before.isdigit() and len(before) <= MAX_ID_DIGITS:
        rows = audit.read(visit.site, SHOWN + 1, int(before), **given)
    else:
        rows = audit.read(visit.site, SHOWN + 1, **given)
    return visit.render(
        "audit/list.html",
        entries=[serializers.audit_entry(row) for row in rows[:SHOWN]],
        filters=filters,
        older=rows[SHOWN - 1]["id"] if len(rows) > SHOWN else None,
        as_of=visit.as_of(),
    )
