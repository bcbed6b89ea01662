"""Forms: fields as people fill them in, and the values that the API takes for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import json_text
from app.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.api.fields import Fields
    from app.config import Settings
    from app.dashboard.page_request import Form
    from app.errors import CallError

TEXT = "text"
NUMBER = "number"
FLAG = "flag"
"""A checkbox."""
CHOICE = "choice"
CHOICES = "choices"
"""Several checkboxes."""
LIST = "list"
"""Texts with commas or line breaks between them."""
JSON = "json"


class FormField:
    """A field of a form, named as the API names it. ``choices`` are pairs of a value and what it
    says; ``suggestions`` is the id of a ``datalist``.
    """

    def __init__(
        self,
        name: str,
        label: str,
        kind: str = TEXT,
        hint: str = "",
        choices: Sequence[tuple[str, str]] = (),
        suggestions: str = "",
    ) -> None:
        self.name = name
        self.label = label
        self.kind = kind
        self.hint = hint
        self.choices = choices
        self.suggestions = suggestions

    def value(self, form: Form) -> Any:
        """As the API takes it; None where nothing was filled in. Raises ValueError."""
        if self.kind == FLAG:
            return self.name in form
        if self.kind == CHOICES:
            return form.all(self.name)
        text = form.get(self.name)
        if not text:
            return None
        if self.kind == NUMBER:
            return _number(text)
        if self.kind == LIST:
            return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
        return json_text.parse(text) if self.kind == JSON else text


def read(
    form: Form, shown: Sequence[FormField], known: Fields, settings: Settings
) -> dict[str, Any]:
    """The values of a form that was sent, checked as the API checks them. Raises Invalid with all
    errors; their paths are the names of the fields.
    """
    given, errors = {}, []
    for field in shown:
        try:
            given[field.name] = field.value(form)
        except ValueError as error:
            errors.append({"path": field.name, "message": f"is not valid: {error}"})
    try:
        values, _ = known.read(given, settings)
    except Invalid as error:
        failed = {each["path"] for each in errors}
        errors += [each for each in error.details if each["path"] not in failed]
        values = {}
    if errors:
        raise Invalid(f"{errors[0]['path']} {errors[0]['message']}", errors)
    return values


def as_sent(form: Form, shown: Sequence[FormField]) -> dict[str, Any]:
    """What stands in the fields, to be shown again."""
    many = {field.name for field in shown if field.kind == CHOICES}
    return {
        field.name: form.all(field.name) if field.name in many else form.get(field.name)
        for field in shown
    }


def as_stored(values: Mapping[str, Any], shown: Sequence[FormField]) -> dict[str, Any]:
    """What stands in the fields of a form for something that is there, from what the API shows."""
    return {field.name: _written(values.get(field.name), field) for field in shown}


def errors_by_field(error: CallError, shown: Sequence[FormField]) -> dict[str, str]:
    """The message at each field; the key "" has those that are at none of these."""
    names = {field.name for field in shown}
    found: dict[str, str] = {}
    for each in error.details:
        name = each["path"].partition(".")[0].partition("[")[0]
        rest = each["path"][len(name) :].lstrip(".")
        message = f"{rest} {each['message']}" if rest else each["message"]
        if name in names:
            found.setdefault(name, message)
        else:
            found.setdefault("", f"{each['path']} {each['message']}")
    if not found:
        found[""] = error.message
    return found


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def _written(value: Any, field: FormField) -> Any:
    if field.kind in (CHOICES, FLAG):
        return value
    if value is None or value is False:
        return ""
    if field.kind == LIST:
        return ", ".join(value)
    if field.kind == JSON:
        from app.dashboard.display.filters import pretty

        return pretty(value)
    return value
