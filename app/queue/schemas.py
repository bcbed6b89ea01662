"""Schemas of task types, when they are registered: draft 2020-12, standing by themselves.

Imported only by calls that register a schema.
"""

from __future__ import annotations

from app.errors import Invalid
from app.queue.schema.check import Check, GaveUp
from app.queue.schema.document import MAX_PATTERNS_SIZE, Document
from app.queue.schema.ecma_source import PatternError
from app.queue.schema.places import IN_A_LIST, IN_A_MAP, IN_ITSELF, schemas_in
from app.queue.schema.wording import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from app.queue.schema.wording import At

DRAFT = "https://json-schema.org/draft/2020-12/schema"

MAX_SCHEMAS = 20_000
"""How many schemas may stand in one, each property's and each ``allOf``'s counted."""


def check_schema(schema: Any) -> None:
    """Raises Invalid, with all validation errors, unless ``schema`` can be used for params."""
    check = Check()
    for message, look in (
        ("param_schema is too large", _check_size),
        ("param_schema is not a JSON Schema of draft 2020-12", _check_form),
        ("param_schema must stand by itself, in draft 2020-12", _check_self_contained),
        ("param_schema has a pattern that cannot be used", _check_patterns),
    ):
        found = check.violations("param_schema", _looking(look, check, schema))
        if found:
            raise Invalid(message, found)


def _looking(look: Callable[[Check, Any], None], check: Check, schema: Any) -> Callable[[], None]:
    return lambda: look(check, schema)


def _check_size(check: Check, schema: Any) -> None:
    for count, (at, _) in enumerate(schemas_in(schema), 1):
        if count > MAX_SCHEMAS:
            around, keyword = _holder(at)
            message = f"{keyword} brings it to more than {MAX_SCHEMAS} schemas: describe less"
            raise GaveUp(around, message)


def _holder(at: At) -> tuple[At, str]:
    """Where the keyword is that holds the schema at this place, and that keyword."""
    while at:
        at, step = at
        if isinstance(step, str) and step in IN_ITSELF | IN_A_LIST | IN_A_MAP:
            return at, step
    return (), "it"


def _check_form(check: Check, schema: Any) -> None:
    # Loaded when needed: most types take anything, or are registered without a change.
    from app.queue.schema.form import check_form

    check_form(check, schema)


def _check_self_contained(check: Check, schema: Any) -> None:
    """Every reference leads to a schema inside this one; nothing is fetched."""
    document = Document(schema)
    for at, part in schemas_in(schema):
        if not isinstance(part, dict):
            continue
        check.spend(1, "references", at)
        for word in ("$ref", "$dynamicRef"):
            if word in part and document.find(part[word]) is None:
                message = "leads to no schema inside this one, and others are not read"
                check.tell((at, word), f"{short(part[word])} {message}")
        for word in ("$id", "$schema"):
            if word in part and at:
                check.tell((at, word), "stands inside the schema: only the whole may have one")
        draft = part.get("$schema")
        if draft is not None and draft.rstrip("#") != DRAFT:
            message = "is another draft; write for 2020-12 or leave $schema out"
            check.tell((at, "$schema"), f"{short(draft)} {message}")


def _check_patterns(check: Check, schema: Any) -> None:
    document = Document(schema)
    for at, part in schemas_in(schema):
        if not isinstance(part, dict):
            continue
        for word in ("pattern", "patternProperties"):
            sources = part.get(word, ())
            for source in [sources] if isinstance(sources, str) else sources:
                check.spend(300, word, at)
                try:
                    document.pattern(source).compile()
                except PatternError as error:
                    check.tell(at, f"the {word} {short(source)} {error}")
                if document.patterns_size > MAX_PATTERNS_SIZE:
                    return
