"""Params against a type's schema, before anything is created or changed: so that a form can tell
everything that is wrong with it at once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.site import Site

    Errors = list[dict[str, str]]


def all_errors(site: Site, schema_json: str, params: dict[str, Any], unread: Errors) -> Errors:
    """``unread`` are about entries that make no value; the schema is asked about the others."""
    places = {error["path"] for error in unread}
    if "params" in places:
        return unread
    found = schema_errors(site, schema_json, params)
    return unread + [error for error in found if not _is_about(error, places)]


def schema_errors(site: Site, schema_json: str, params: dict[str, Any]) -> Errors:
    """What does not match, as a create would tell it."""
    from app.queue.type_check import ANYTHING

    if not site.settings.enable_schema_validation or schema_json in ANYTHING:
        return []
    from app.queue.schema.check import Check
    from app.queue.validation import document_of, violations

    return violations(Check(), document_of(schema_json), params)


def _is_about(error: dict[str, str], places: set[str]) -> bool:
    """Whether it is that an entry is missing, which is there and cannot be read."""
    missing = " is a required property"
    if error["path"] != "params" or not error["message"].endswith(missing):
        return False
    from app.queue.schema.wording import short

    name = error["message"][: -len(missing)]
    return any(name == short(place[len("params.") :]) for place in places)
