"""A form made from the JSON Schema of a type's params: which fields it has, what is filled in, and
the params that a person's entries make.

Each property of a flat schema is a field of its own; what has no simple field is written as JSON.
An optional field that is left empty is left out of the params. Fields are named after their
properties, so that a schema that has changed meanwhile mixes nothing up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.dashboard.display.filters import pretty
from app.dashboard.display.unseen import UNSEEN
from app.dashboard.forms.schema_widgets import JSON, is_equal, widget_for
from app.queue.schema.places import anchors_in, resolve
from app.queue.schema.wording import path_text, short

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.dashboard.forms.schema_widgets import Widget
    from app.dashboard.page_request import Form

    Errors = list[dict[str, str]]

PARAMS = "params"
"""The field for all params as JSON, and how paths in errors begin."""
OTHERS = "others"
PLAIN, AS_JSON = "param.", "json."
"""How names of fields begin: those that are written as people do, and those that are JSON."""

MAX_FIELDS = 60
MAX_REFERENCES = 20
LONGEST_HINT = 1000


class SchemaField:
    """One property. ``text`` is what is in its field; ``errors`` are shown below it."""

    def __init__(self, name: str, schema: Any, is_required: bool) -> None:
        own = schema if isinstance(schema, dict) else {}
        self.property = name
        self.is_required = is_required
        self.label = _text(own.get("title")) or name
        self.hint = _text(own.get("description"))
        self.examples = [each for each in _list(own.get("examples")) if _is_short(each)][:5]
        self.widget: Widget = widget_for(schema)
        self.text = ""
        self.errors: list[str] = []
        self._default = own.get("default")
        self._has_default = "default" in own

    @property
    def name(self) -> str:
        """Of the form's field."""
        return (AS_JSON if self.widget.kind == "json" else PLAIN) + self.property

    @property
    def path(self) -> str:
        return path_text(PARAMS, ((), self.property))

    @property
    def example_texts(self) -> list[str]:
        shown = (self.widget.show(each) for each in self.examples)
        return [text for text in shown if text is not None]

    def fill_in_default(self) -> None:
        if self._has_default:
            self.fill_in(self._default)

    def fill_in(self, value: Any) -> None:
        """Show a value: as JSON where the field for it would make another one of it."""
        text = self.widget.show(value)
        if text is None or not is_equal(self.widget.read(text), value):
            self.widget = JSON
            text = pretty(value)
        self.text = text

    def take(self, form: Form) -> None:
        """What was sent, as it was sent."""
        if AS_JSON + self.property in form:
            self.widget = JSON
        self.text = _sent(form, self.name)

    def is_given(self) -> bool:
        if self.text.strip() or (self.text and self.widget.kind in ("text", "long")):
            return True
        return self.is_required and self.widget.kind == "lines"


class SchemaForm:
    """``fields`` are those of the properties. ``others`` is JSON of whatever else is given, None
    where nothing else may be; ``whole`` is JSON of all params, None where they have fields.
    ``errors`` are those that belong to no field.
    """

    def __init__(self, schema: Any, as_json: bool = False) -> None:
        root = _followed(schema, schema) or {}
        properties = _properties(schema, root)
        self.has_fields = 0 < len(properties) <= MAX_FIELDS
        self.fields: list[SchemaField] = []
        self.others: str | None = None
        self.whole: str | None = None
        self.errors: list[str] = []
        self.others_errors: list[str] = []
        if as_json or not self.has_fields:
            self.whole = "{}"
            return
        required = _list(root.get("required"))
        self.fields = [
            SchemaField(name, _followed(schema, each), name in required)
            for name, each in properties.items()
        ]
        if not _is_closed(root) or len(properties) < len(root["properties"]):
            self.others = ""

    def fill_in_defaults(self) -> SchemaForm:
        for field in self.fields:
            field.fill_in_default()
        return self

    def fill_in(self, params: Mapping[str, Any]) -> SchemaForm:
        """Show the params of a task that there is."""
        if self.whole is not None:
            self.whole = pretty(params)
            return self
        for field in self.fields:
            if field.property in params:
                field.fill_in(params[field.property])
        known = {field.property for field in self.fields}
        others = {name: value for name, value in params.items() if name not in known}
        if others:
            self.others = pretty(others)
        return self

    def read(self, form: Form) -> tuple[dict[str, Any], Errors]:
        """The params that were entered, and what in them cannot be read. Everything is shown again
        as it was entered.
        """
        if self.whole is not None:
            self.whole = _sent(form, PARAMS)
            return _object(self.whole or "{}", PARAMS)
        params: dict[str, Any] = {}
        errors: Errors = []
        for field in self.fields:
            field.take(form)
            if not field.is_given():
                continue
            try:
                params[field.property] = field.widget.read(field.text)
            except ValueError as error:
                errors.append({"path": field.path, "message": str(error)})
        others, more = self._read_others(form)
        return {**params, **others}, errors + more

    def tell(self, errors: Errors) -> Errors:
        """Put each error to the field that it is about; returns those that are about no params."""
        left = []
        for error in errors:
            if error["path"] == OTHERS:
                self.others_errors.append(error["message"])
            elif error["path"].startswith(PARAMS):
                self._tell(error)
            else:
                left.append(error)
        return left

    def _read_others(self, form: Form) -> tuple[dict[str, Any], Errors]:
        if OTHERS in form:
            self.others = _sent(form, OTHERS)
        if not self.others or not self.others.strip():
            return {}, []
        others, errors = _object(self.others, OTHERS)
        doubles = [field.property for field in self.fields if field.property in others]
        for name in doubles:
            message = f"has {short(name)}, which has a field of its own: leave it out here"
            errors.append({"path": OTHERS, "message": message})
        return others, errors

    def _tell(self, error: dict[str, str]) -> None:
        path, message = error["path"], error["message"]
        owners = [field for field in self.fields if _is_within(path, field.path)]
        owners += [field for field in self.fields if _is_missed(field, path, message)]
        if owners:
            owner = max(owners, key=lambda field: len(field.path))
            inside = path[len(owner.path) :].lstrip(".") if _is_within(path, owner.path) else ""
            if path == PARAMS:
                message = "is required"
            owner.errors.append(f"{inside} {message}" if inside else message)
        else:
            self.errors.append(f"{path} {message}" if path != PARAMS else message)


def _is_within(path: str, place: str) -> bool:
    return path == place or path.startswith((place + ".", place + "["))


def _is_missed(field: SchemaField, path: str, message: str) -> bool:
    return path == PARAMS and message == f"{short(field.property)} is a required property"


def _object(text: str, path: str) -> tuple[dict[str, Any], Errors]:
    try:
        value = JSON.read(text)
    except ValueError as error:
        return {}, [{"path": path, "message": str(error)}]
    if not isinstance(value, dict):
        return {}, [{"path": path, "message": "must be an object, {…}"}]
    return value, []


def _properties(document: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Those that can have a field. A name with characters that nobody sees has none, and what may
    not be there at all neither.
    """
    found = root.get("properties")
    if not isinstance(found, dict):
        return {}
    return {
        name: schema
        for name, schema in found.items()
        if schema is not False and not UNSEEN.search(name) and "\n" not in name
    }


def _followed(document: Any, schema: Any) -> Any:
    """The schema that a reference leads to, with what stands beside the reference."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            break
        found = resolve(document, schema["$ref"], anchors_in(document))
        if found is None or not isinstance(found[0], dict):
            break
        beside = {word: value for word, value in schema.items() if word != "$ref"}
        schema = {**found[0], **beside}
    return schema if isinstance(schema, dict) or schema is False else {}


def _is_closed(root: dict[str, Any]) -> bool:
    words = ("additionalProperties", "unevaluatedProperties")
    return any(root.get(word) is False for word in words) and "patternProperties" not in root


def _sent(form: Form, name: str) -> str:
    values = form.all(name)
    return values[-1] if values else ""


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return text if len(text) <= LONGEST_HINT else text[: LONGEST_HINT - 1] + "…"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_short(value: Any) -> bool:
    return len(pretty(value)) <= 100
