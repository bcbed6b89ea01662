"""How one value of a JSON Schema is asked for in a form: as text that a person writes or chooses,
and back to JSON.

A widget's ``show`` gives the text for a value, None where it cannot show this value; ``read`` gives
the value of a text, and raises ValueError with what would do.
"""

from __future__ import annotations

import re

from app import json_text
from app.dashboard.display.filters import pretty
from app.dashboard.display.unseen import UNSEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
MAX_DIGITS = 1000
MAX_CHOICES = 200
LONG_TEXT = 200
"""Texts that may be longer than this get more than a line."""

INPUT_MODES = {"email": "email", "idn-email": "email", "uri": "url", "iri": "url"}
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class JsonWidget:
    """Any value, as JSON."""

    kind = "json"

    def show(self, value: Any) -> str | None:
        return pretty(value)

    def read(self, text: str) -> Any:
        try:
            return json_text.parse(text)
        except ValueError as error:
            raise ValueError(f"is not JSON: {error}") from None


class TextWidget:
    """One line. ``input_type`` and ``input_mode`` are what browsers know about it."""

    kind = "text"

    def __init__(self, schema: dict[str, Any]) -> None:
        form = schema.get("format")
        self.input_type = "date" if form == "date" else "text"
        self.input_mode = INPUT_MODES.get(form, "text") if isinstance(form, str) else "text"

    def show(self, value: Any) -> str | None:
        if not isinstance(value, str) or value == "" or _is_unwritable(value) or "\n" in value:
            return None
        return value

    def read(self, text: str) -> Any:
        return text

    def type_for(self, text: str) -> str:
        """A browser's field for dates would drop every other text."""
        is_date = text == "" or DATE.fullmatch(text)
        return self.input_type if is_date else "text"


class LongTextWidget:
    """Several lines."""

    kind = "long"

    def show(self, value: Any) -> str | None:
        return value if isinstance(value, str) and value and not _is_unwritable(value) else None

    def read(self, text: str) -> Any:
        return text.replace("\r\n", "\n")


class NumberWidget:
    kind = "number"

    def __init__(self, is_whole: bool) -> None:
        self.is_whole = is_whole

    def show(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        text = json_text.dumps(value)
        return text if len(text) <= MAX_DIGITS else None

    def read(self, text: str) -> Any:
        text = text.strip()
        noun = "a whole number" if self.is_whole else "a number"
        if len(text) > MAX_DIGITS or not JSON_NUMBER.fullmatch(text):
            shown = text if len(text) <= 60 else text[:59] + "…"
            raise ValueError(
                f"must be {noun}, like {'12' if self.is_whole else '12.5'}, and is {shown!r}"
            )
        return json_text.parse(text)


class ChoiceWidget:
    """One of some values. ``choices`` are pairs of its JSON and what it is called."""

    kind = "choice"

    def __init__(self, values: list[tuple[Any, str]]) -> None:
        self._values = {json_text.dumps(value): value for value, _ in values}
        self.choices = [(json_text.dumps(value), label) for value, label in values]

    def show(self, value: Any) -> str | None:
        text = json_text.dumps(value)
        return text if text in self._values else None

    def read(self, text: str) -> Any:
        if text not in self._values:
            raise ValueError("must be one of the choices")
        return self._values[text]


class LinesWidget:
    """A list of texts or numbers, one a line."""

    kind = "lines"

    def __init__(self, item: TextWidget | NumberWidget) -> None:
        self._item = item

    def show(self, value: Any) -> str | None:
        if not isinstance(value, list) or not value:
            return None
        lines = [self._item.show(each) for each in value]
        if any(line is None or line != line.strip() for line in lines):
            return None
        return "\n".join(line or "" for line in lines)

    def read(self, text: str) -> Any:
        lines = [line.strip() for line in text.splitlines()]
        return [self._item.read(line) for line in lines if line]


if TYPE_CHECKING:
    from typing import Union

    Widget = Union[JsonWidget, TextWidget, LongTextWidget, NumberWidget, ChoiceWidget, LinesWidget]

JSON = JsonWidget()


def widget_for(schema: Any) -> Widget:
    """What asks for a value of this schema, whose reference has been followed."""
    if not isinstance(schema, dict):
        return JSON
    kind = _type(schema)
    choices = _choices(schema, kind)
    if choices:
        return ChoiceWidget(choices)
    if kind in ("integer", "number"):
        return NumberWidget(kind == "integer")
    if kind == "string":
        return LongTextWidget() if _is_long(schema) else TextWidget(schema)
    if kind == "array" and "prefixItems" not in schema:
        return _lines(schema.get("items"))
    return JSON


def is_equal(one: Any, other: Any) -> bool:
    """As JSON: 1, 1.0 and true are different things to write."""
    return json_text.dumps(one) == json_text.dumps(other)


def _lines(items: Any) -> Widget:
    if not isinstance(items, dict):
        return JSON
    kind = _type(items)
    if kind == "string":
        return LinesWidget(TextWidget({}))
    if kind in ("integer", "number"):
        return LinesWidget(NumberWidget(kind == "integer"))
    return JSON


def _choices(schema: dict[str, Any], kind: str) -> list[tuple[Any, str]]:
    """The values that it may have, as far as they are listed, with what they are called."""
    if "const" in schema:
        return [(schema["const"], _name_of(schema["const"]))]
    values = schema.get("enum")
    if isinstance(values, list) and 0 < len(values) <= MAX_CHOICES:
        return [(value, _name_of(value)) for value in values]
    cases = schema.get("oneOf")
    if not isinstance(cases, list) or not 0 < len(cases) <= MAX_CHOICES:
        return [(True, "true"), (False, "false")] if kind == "boolean" else []
    if not all(isinstance(case, dict) and "const" in case for case in cases):
        return []
    return [(case["const"], _title(case) or _name_of(case["const"])) for case in cases]


def _name_of(value: Any) -> str:
    name = value if isinstance(value, str) and value else json_text.dumps(value)
    return name if len(name) <= 100 else name[:99] + "…"


def _title(schema: dict[str, Any]) -> str:
    title = schema.get("title")
    return title if isinstance(title, str) else ""


def _type(schema: dict[str, Any]) -> str:
    """The only type besides null; empty where there are several, or none is said."""
    given = schema.get("type")
    names = given if isinstance(given, list) else [given]
    rest = [name for name in names if name != "null" and isinstance(name, str)]
    return rest[0] if len(rest) == 1 else ""


def _is_long(schema: dict[str, Any]) -> bool:
    most = schema.get("maxLength")
    is_long = isinstance(most, (int, float)) and most > LONG_TEXT
    return is_long or "contentMediaType" in schema


def _is_unwritable(text: str) -> bool:
    """Whether a field of a form would change this text, or hide what is in it."""
    return UNSEEN.search(text) is not None
