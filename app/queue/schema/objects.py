"""Keywords for objects."""

from __future__ import annotations

from app.queue.schema.unevaluated import evaluated_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.document import Node
    from app.queue.schema.pattern import Pattern
    from app.queue.schema.wording import At


def properties(check: Check, nodes: dict[str, Node], value: Any, at: At) -> bool:
    if type(value) is not dict:
        return True
    matches = True
    names = nodes if len(nodes) <= len(value) else value
    for name in names:
        if (
            name in nodes
            and name in value
            and not nodes[name].check(check, value[name], "properties", (at, name))
        ):
            matches = False
            if not check.telling:
                break
    check.spend(len(names) // 10, "properties", at)
    return matches


def pattern_properties(
    check: Check, patterns: list[tuple[Pattern, Node]], value: Any, at: At
) -> bool:
    if type(value) is not dict:
        return True
    matches = True
    for pattern, node in patterns:
        for name, each in value.items():
            if pattern.found_in(check, name, "patternProperties", at):
                matches &= node.check(check, each, "patternProperties", (at, name))
    return matches


def additional_properties(
    check: Check, wanted: tuple[Node, Any, list[Pattern]], value: Any, at: At
) -> bool:
    node, known, patterns = wanted
    if type(value) is not dict:
        return True
    matches = True
    word = "additionalProperties"
    for name, each in value.items():
        check.spend(1, word, at)
        if name in known or _any_found(check, patterns, name, word, at):
            continue
        if node.schema is False:
            matches = check.fail((at, name), "the property {} is not expected here", name)
        else:
            matches &= node.check(check, each, word, (at, name))
        if not matches and not check.telling:
            break
    return matches


def _any_found(check: Check, patterns: list[Pattern], name: str, keyword: str, at: At) -> bool:
    return any(pattern.found_in(check, name, keyword, at) for pattern in patterns)


def property_names(check: Check, node: Node, value: Any, at: At) -> bool:
    if type(value) is not dict:
        return True
    matches = True
    for name in value:
        if not node.check(check, name, "propertyNames", at):
            matches = False
            if not check.telling:
                break
    return matches


def required(check: Check, names: list[str], value: Any, at: At) -> bool:
    if type(value) is not dict:
        return True
    return _all_there(check, names, value, at, "required", "{} is a required property")


def dependent_required(check: Check, names: dict[str, Any], value: Any, at: At) -> bool:
    if type(value) is not dict:
        return True
    matches = True
    for name, needed in names.items():
        check.spend(1, "dependentRequired", at)
        if name in value:
            message = "{} is needed beside {}"
            matches &= _all_there(check, needed, value, at, "dependentRequired", message, name)
    return matches


def _all_there(
    check: Check,
    names: list[str],
    value: dict[str, Any],
    at: At,
    keyword: str,
    message: str,
    *more: Any,
) -> bool:
    check.spend(len(names) // 10, keyword, at)
    matches = True
    for name in names:
        if name not in value:
            matches = check.fail(at, message, name, *more)
            if not check.telling:
                break
    return matches


def dependent_schemas(check: Check, nodes: dict[str, Node], value: Any, at: At) -> bool:
    if type(value) is not dict:
        return True
    matches = True
    for name, node in nodes.items():
        check.spend(1, "dependentSchemas", at)
        if name in value:
            matches &= node.check(check, value, "dependentSchemas", at)
    return matches


def min_properties(check: Check, least: Any, value: Any, at: At) -> bool:
    if type(value) is not dict or len(value) >= least:
        return True
    return check.fail(at, "{} has too few properties: it needs {}", value, least)


def max_properties(check: Check, most: Any, value: Any, at: At) -> bool:
    if type(value) is not dict or len(value) <= most:
        return True
    return check.fail(at, "{} has too many properties: it may have {}", value, most)


def unevaluated_properties(check: Check, nodes: tuple[Node, Node], value: Any, at: At) -> bool:
    around, node = nodes
    if type(value) is not dict:
        return True
    evaluated = evaluated_names(check, around, value, at, own=False)
    matches = True
    for name, each in value.items():
        if name in evaluated:
            continue
        if node.schema is False:
            matches = check.fail((at, name), "the property {} is not expected here", name)
        else:
            matches &= node.check(check, each, "unevaluatedProperties", (at, name))
    return matches
