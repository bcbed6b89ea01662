"""API keys with scopes: made, rotated, revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api import serializers
from app.api.endpoints import keys as api
from app.dashboard.display import export
from app.dashboard.forms import confirming
from app.dashboard.forms import fields as forms
from app.dashboard.forms.fields import CHOICES, LIST, FormField
from app.errors import CallError
from app.queue import api_keys

if TYPE_CHECKING:
    from typing import Any

    from app.api.response import Response
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SHOWN = 50
GRACE_SECONDS = 3600.0
SCOPES = (
    ("read", "read: look at everything"),
    ("produce", "produce: make tasks"),
    ("work", "work: claim and settle tasks"),
    ("admin", "admin: everything"),
)
FIELDS = (
    FormField("name", "Name", hint="What the key is for: it stands in the audit log"),
    FormField("scopes", "What it may do", CHOICES, choices=SCOPES),
    FormField(
        "type_patterns", "Only for these task types", LIST, "shop.%, mail.send; all if empty"
    ),
    FormField("expires_at", "Until", hint="2027-01-31T12:00:00Z; no end if left empty"),
)


def show_all(visit: Visit) -> Response:
    if export.format_of(visit):
        rows = api_keys.list_all(visit.site, export.MOST_ROWS + 1)
        return export.file_of(visit, "keys", [serializers.api_key(row) for row in rows])
    rows = api_keys.list_all(visit.site, SHOWN + 1, visit.query.number("before"))
    return visit.render(
        "keys/list.html",
        keys=[serializers.api_key(row) for row in rows[:SHOWN]],
        older=rows[SHOWN - 1]["id"] if len(rows) > SHOWN else None,
        as_of=visit.as_of(),
    )


def new(visit: Visit) -> PageResponse:
    return _form(visit, {"scopes": ["produce"]})


def make(visit: Visit) -> Response:
    try:
        values = forms.read(visit.form, FIELDS, api.KEY, visit.site.settings)
        made = api_keys.make(visit.site, api_keys.NewKey(**values), visit.actor)
    except CallError as error:
        sent = forms.as_sent(visit.form, FIELDS)
        return _form(visit, sent, forms.errors_by_field(error, FIELDS))
    return _text(visit, made, "made")


def refill(visit: Visit) -> Response:
    """The form as it was filled in."""
    return _form(visit, forms.as_sent(visit.form, FIELDS))


def rotate(visit: Visit) -> Response:
    """Another text for a key. The old one works for an hour more, so that programs can change."""
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            "Give this key another text?",
            "The old text works for an hour more. Put the new one wherever the key is used.",
            "Rotate it",
            visit.url("/keys"),
        )
    return _text(
        visit, api_keys.rotate(visit.site, visit.id, GRACE_SECONDS, actor=visit.actor), "rotated"
    )


def revoke(visit: Visit) -> Response:
    if not confirming.is_confirmed(visit):
        return confirming.ask(
            visit,
            "Revoke this key?",
            "Programs that use it are refused from now on. This cannot be undone.",
            "Revoke it",
            visit.url("/keys"),
        )
    row = api_keys.revoke(visit.site, visit.id, visit.actor)
    return visit.redirect("/keys", f"Key {row['name']} was revoked")


def _text(visit: Visit, made: api_keys.KeyWithText, done: str) -> PageResponse:
    """The only page that has the key's text."""
    key = serializers.api_key(made.row)
    return visit.render("keys/text.html", key=key, text=made.text, done=done)


def _form(
    visit: Visit, values: dict[str, Any], errors: dict[str, str] | None = None
) -> PageResponse:
    status = 400 if errors else 200
    return visit.render("keys/form.html", status, fields=FIELDS, values=values, errors=errors or {})
