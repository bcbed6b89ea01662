"""The fields that a call knows: what each takes, and a clear message about what it does not.

A reader is a function from a value to the value to use; it raises ValueError with what it would
take. Nothing is coerced: ``"false"`` is not false. None (null) is the same as not given.

Each reader also has the JSON Schema of what it takes (``takes``), from which ``app.api.reference``
describes the API. Its ``title`` says it in words where the schema alone would not.
"""

from __future__ import annotations

import json
import re

from app import json_text
from app.errors import Invalid
from app.times import from_iso
from app.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from app.config import Settings

    Reader = Callable[[Any], Any]
    T = TypeVar("T")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAX_PRIORITY = 1_000_000
MAX_ADVISED = 1_000_000_000
MAX_SECONDS = 10 * 366 * 86400.0
MAX_ID = 2**63 - 1
MAX_LIMIT = 100
"""How many entries a list has at most, however many are asked for."""
MAX_UNKNOWN = 20
"""How many unknown fields of an object are named in warnings."""
TIME_EXAMPLE = "2026-01-31T12:00:00Z"


def takes(reader: T, **schema: Any) -> T:
    """``reader`` with the JSON Schema of what it takes, or with more of it."""
    reader.schema = {**getattr(reader, "schema", {}), **schema}  # type: ignore[attr-defined]
    return reader


def schema_of(reader: Reader | BySetting, settings: Settings) -> dict[str, Any]:
    """The JSON Schema of what a reader takes. Raises AttributeError for one that does not say."""
    if isinstance(reader, BySetting):
        reader = reader.make(settings)
    schema: dict[str, Any] = reader.schema  # type: ignore[attr-defined]
    return schema


def reads(**schema: Any) -> Callable[[T], T]:
    """Decorates a reader with the JSON Schema of what it takes."""
    return lambda reader: takes(reader, **schema)


class BySetting:
    """A reader that depends on the site: ``make`` makes it from the site's settings. Its errors
    name the ``setting``.

    Fields are listed when a module is loaded, before there is a site.
    """

    def __init__(self, setting: str, make: Callable[[Settings], Reader]) -> None:
        self.setting = setting
        self.make = make

    def reader(self, settings: Settings) -> Reader:
        read = self.make(settings)

        def read_or_name(value: Any) -> Any:
            try:
                return read(value)
            except ValueError as error:
                raise ValueError(f"{error} ({self.setting})") from None

        return read_or_name


class Fields:
    """The fields a call knows: each name with its reader; ``required`` must be given."""

    def __init__(
        self, required: Mapping[str, Reader | BySetting], **optional: Reader | BySetting
    ) -> None:
        self.required = required
        self.readers: dict[str, Reader | BySetting] = {**required, **optional}

    def reader(self, name: str, settings: Settings) -> Reader:
        known = self.readers[name]
        return known.reader(settings) if isinstance(known, BySetting) else known

    def is_integer(self, name: str) -> bool:
        """Whether a field takes whole numbers."""
        schema: dict[str, Any] = getattr(self.readers.get(name), "schema", {})
        return schema.get("type") == "integer"

    def of_texts(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Texts, as a query string or a command line has them, with the whole numbers as numbers:
        what ``read`` takes.
        """
        return {
            name: query_number(text) if self.is_integer(name) else text
            for name, text in given.items()
        }

    def read(
        self, given: Mapping[str, Any], settings: Settings, where: str = ""
    ) -> tuple[dict[str, Any], list[str]]:
        """The values of the fields that were given, and a warning for each unknown one.

        ``where`` begins the paths in errors. Raises Invalid with all validation errors at once.
        """
        values: dict[str, Any] = {}
        try:
            for name, value in given.items():
                if value is not None and name in self.readers:
                    values[name] = self.reader(name, settings)(value)
        except (ValueError, Invalid):
            raise invalid(self._errors(given, settings, where)) from None
        if not self.required.keys() <= values.keys():
            raise invalid(self._errors(given, settings, where))
        if len(values) == len(given):
            return values, []
        unknown = [name for name in given if name not in self.readers]
        warnings = [
            f"unknown field {shorten(where + name)!r} was ignored" for name in unknown[:MAX_UNKNOWN]
        ]
        if len(unknown) > MAX_UNKNOWN:
            more = counted(len(unknown) - MAX_UNKNOWN, "more unknown field")
            warnings.append(f"{more} ignored, the names are cut here")
        return values, warnings

    def _errors(
        self, given: Mapping[str, Any], settings: Settings, where: str
    ) -> list[dict[str, str]]:
        """All validation errors, in the order in which the fields are listed."""
        errors = []
        for name in self.readers:
            value = given.get(name)
            if value is None:
                if name in self.required:
                    errors.append({"path": where + name, "message": "is required"})
                continue
            try:
                self.reader(name, settings)(value)
            except ValueError as error:
                errors.append({"path": where + name, "message": str(error)})
            except Invalid as error:
                errors += error.details
        return errors


def read_each(given: list[Any], name: str, read: Callable[[dict[str, Any], str], T]) -> list[T]:
    """What ``read`` makes of each object in the list ``name``; it is also given how the paths in
    the object begin. Raises Invalid with the validation errors of all of them.
    """
    found: list[T] = []
    errors: list[dict[str, str]] = []
    for position, each in enumerate(given):
        where = f"{name}[{position}]"
        try:
            if not isinstance(each, dict):
                raise invalid([{"path": where, "message": "must be an object, {…}"}])
            found.append(read(each, f"{where}."))
        except Invalid as error:
            errors += error.details
    if errors:
        raise invalid(errors[:100])
    return found


def invalid(errors: list[dict[str, str]]) -> Invalid:
    """One exception for all validation errors; its message is the first of them."""
    more = f" (and {len(errors) - 1} more, see details)" if len(errors) > 1 else ""
    return Invalid(f"{errors[0]['path']} {errors[0]['message']}{more}", errors)


def shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def text(longest: int, shortest: int = 1) -> Reader:
    """A name of some kind: one line, no white space around it."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be a string, and is {_kind(value)}")
        if not shortest <= len(value) <= longest:
            raise ValueError(f"must have {shortest} to {longest} characters, and has {len(value)}")
        if CONTROL.search(value):
            raise ValueError("must not have control characters or line breaks")
        if value != value.strip():
            raise ValueError("must not begin or end with white space")
        return value

    return takes(read, type="string", minLength=shortest, maxLength=longest)


@reads(type="string")
def long_text(value: Any) -> str:
    """Text of any length and any lines. NUL, which no log shows, becomes U+FFFD."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, and is {_kind(value)}")
    return value.replace("\x00", "\ufffd")


def integer(low: int, high: int, advised: int | None = None) -> Reader:
    """``advised`` is the highest value worth sending, where higher ones are accepted and lowered. A
    very high limit is mentioned only in the error for a value above it.
    """
    advised = advised or high
    limits = f" from {low} to {advised}" if advised <= MAX_ADVISED else f", {low} or higher"

    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            exceeds = advised > MAX_ADVISED and isinstance(value, int) and value > high
            wanted = f" of at most {high}" if exceeds else limits
            raise ValueError(f"must be a whole number{wanted}, and is {_kind(value)}")
        return value

    return takes(read, type="integer", minimum=low, maximum=high)


def number(low: float, high: float = MAX_SECONDS) -> Reader:
    def read(value: Any) -> float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not fits or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:.0f}, and is {_kind(value)}")
        return float(value)

    return takes(read, type="number", minimum=low, maximum=high)


priority = integer(-MAX_PRIORITY, MAX_PRIORITY)


@reads(type="boolean")
def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, and is {_kind(value)}")
    return value


def one_of(choices: tuple[str, ...]) -> Reader:
    """A word in any case."""

    def read(value: Any) -> str:
        word = value.lower() if isinstance(value, str) else ""
        if word not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, and is {_kind(value)}")
        return word

    return takes(read, type="string", enum=list(choices))


def list_of(reader: Reader, most: int) -> Reader:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError(f"must be a list of at most {most}, and is {_kind(value)}")
        items = []
        for position, item in enumerate(value):
            try:
                items.append(reader(item))
            except ValueError as error:
                raise ValueError(f"has an item ({position}) that {error}") from None
        return items

    return takes(read, type="array", maxItems=most, items=getattr(reader, "schema", {}))


@reads(
    title="list, at most 500 strings of 1 to 255 characters, or one string with commas",
    anyOf=[
        {"type": "array", "maxItems": 500, "items": {"type": "string"}},
        {"type": "string"},
    ],
)
def names(value: Any) -> list[str]:
    """A list of names, or one text with commas between them."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return list_of(text(255), 500)(value)  # type: ignore[no-any-return]


@reads(type="object")
def json_object(value: Any) -> dict[str, Any]:
    """An object; an empty list too, because PHP writes an empty array so."""
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"must be an object, {{…}}, and is {_kind(value)}")
    return value


worker_id = text(255)
tags = list_of(text(50), 20)
progress = number(0, 100)
claim_limit = integer(1, 100)
list_limit = integer(1, MAX_ID, advised=MAX_LIMIT)
concurrency = integer(1, 10_000)


def query_number(text: str) -> Any:
    """The whole number that a query string spells, or the text itself."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


@reads(title="any JSON")
def anything(value: Any) -> Any:
    return value


@reads(title="W3C traceparent")
def traceparent(value: Any) -> Any:
    """Taken as it is: app.api.trace_context reads it, and ignores one that is malformed."""
    return value


@reads(type="string", title="time", examples=[TIME_EXAMPLE])
def time(value: Any) -> str:
    """ISO 8601; becomes a stored time in UTC."""
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError(f"must be a time like {TIME_EXAMPLE!r}, and is {_kind(value)}")
    try:
        return from_iso(value)
    except ValueError:
        raise ValueError(f"must be a time like {TIME_EXAMPLE!r}, and is {value!r}") from None


@reads(
    title='`"forever"`, `"active"`, seconds above 0, or `false`',
    anyOf=[
        {"enum": ["forever", "active", False]},
        {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_SECONDS},
    ],
)
def dedupe(value: Any) -> Any:
    """``"forever"``, ``"active"`` (in any case), false, or a number of seconds."""
    word = value.lower() if isinstance(value, str) else value
    if word is False or word in ("forever", "active"):
        return word
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS:
        return value
    raise ValueError(
        f'must be "forever", "active", a number of seconds or false, and is {_kind(value)}'
    )


@reads(
    title="JSON Schema (draft 2020-12): object, boolean, or its JSON text",
    type=["object", "boolean", "string"],
)
def schema(value: Any) -> Any:
    """A JSON Schema as an object or boolean, or as its JSON text."""
    if isinstance(value, str):
        try:
            value = json_text.parse(value)
        except ValueError as error:
            raise ValueError(f"is a string and not the JSON text of a schema: {error}") from None
    if value == []:
        return {}
    if not isinstance(value, (dict, bool)):
        raise ValueError(f"must be a JSON Schema object, and is {_kind(value)}")
    return value


@reads(title="text or any JSON")
def error_text(value: Any) -> str:
    """What went wrong, as text or as any JSON."""
    if isinstance(value, str):
        return long_text(value)
    return json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    """The value itself where it is short, else what kind of thing it is."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        return shorten(json.dumps(value, ensure_ascii=False))
    except ValueError:  # a whole number of thousands of digits
        return "a number too long to write"
