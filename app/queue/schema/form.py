"""Whether something is a JSON Schema of draft 2020-12: jsonschema decides, by the meta-schema.

This loads jsonschema, which takes longer than all else in a call, so only a registration does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from jsonschema_specifications import (  # type: ignore[import-untyped]
    REGISTRY as SPECIFICATIONS,
)
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from app.queue.schema.equality import canonical
from app.queue.schema.wording import LONGEST_MESSAGE, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.queue.schema.check import Check
    from app.queue.schema.wording import At

DRAFT = "https://json-schema.org/draft/2020-12/"

STEP = 200
"""What jsonschema needs to follow one reference of the meta-schema, in the units of a check."""


def check_form(check: Check, schema: Any) -> None:
    """Tells ``check`` where the value breaks the meta-schema."""
    validator = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {
            "$ref": _following(check, "$ref"),
            "$dynamicRef": _following(check, "$dynamicRef"),
            "type": _type,
            "uniqueItems": _unique_items(check),
        },
    )
    registry = _metaschemas()
    whole = registry.contents(DRAFT + "schema")
    for error in validator(whole, registry=registry).iter_errors(schema):
        at: At = ()
        for step in error.absolute_path:
            at = (at, step)
        check.tell(at, _told(error))


def _told(error: ValidationError) -> str:
    """The library writes the whole value before what is wrong with it."""
    if len(error.message) <= LONGEST_MESSAGE:
        return str(error.message)
    return f"{short(error.instance)} breaks the rule {error.validator!r} of the meta-schema"


def _metaschemas() -> Registry[Any]:
    """The meta-schema and its parts, without the name of their draft: by that name the library
    would take its own keywords for them, which nothing bounds.
    """
    parts = {
        uri: {
            name: value for name, value in SPECIFICATIONS.contents(uri).items() if name != "$schema"
        }
        for uri in SPECIFICATIONS
        if uri.startswith(DRAFT)
    }
    resources = [(uri, DRAFT202012.create_resource(part)) for uri, part in parts.items()]
    return Registry().with_resources(resources)


def _following(check: Check, keyword: str) -> Any:
    """The keyword as the library has it, given up when there is no time for more: each schema
    inside the one that is checked is reached by a reference.
    """

    def follow(
        validator: Any, target: str, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        check.spend(STEP, "param_schema", ())
        yield from Draft202012Validator.VALIDATORS[keyword](validator, target, instance, schema)

    return follow


def _type(validator: Any, types: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """As the library has it, without writing out a value of a megabyte."""
    names = [types] if isinstance(types, str) else types
    if not any(validator.is_type(instance, name) for name in names):
        wanted = ", ".join(repr(name) for name in names)
        yield ValidationError(f"{short(instance)} is not of type {wanted}")


def _unique_items(check: Check) -> Any:
    """In time that grows with the number of items, not with its square."""

    def unique_items(
        validator: Any, wanted: bool, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        if not wanted or not validator.is_type(instance, "array"):
            return
        different = {canonical(check, each, "uniqueItems", ()) for each in instance}
        if len(different) < len(instance):
            yield ValidationError(f"{short(instance)} has non-unique elements")

    return unique_items
