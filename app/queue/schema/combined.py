"""Keywords that put schemas together."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.document import Node
    from app.queue.schema.wording import At


def all_of(check: Check, nodes: list[Node], value: Any, at: At) -> bool:
    matches = True
    for node in nodes:
        if not node.check(check, value, "allOf", at):
            matches = False
            if not check.telling:
                break
    return matches


def any_of(check: Check, nodes: list[Node], value: Any, at: At) -> bool:
    for node in nodes:
        if node.holds(check, value, "anyOf", at):
            return True
    return check.fail(at, "{} matches none of the schemas in anyOf", value)


def one_of(check: Check, nodes: list[Node], value: Any, at: At) -> bool:
    matching = 0
    for node in nodes:
        matching += node.holds(check, value, "oneOf", at)
        if matching > 1:
            return check.fail(at, "{} matches more than one of the schemas in oneOf", value)
    return matching == 1 or check.fail(at, "{} matches none of the schemas in oneOf", value)


def not_(check: Check, node: Node, value: Any, at: At) -> bool:
    if not node.holds(check, value, "not", at):
        return True
    return check.fail(at, "{} matches {}, which it must not", value, node.schema)


def if_(check: Check, nodes: tuple[Node, Node | None, Node | None], value: Any, at: At) -> bool:
    condition, then, otherwise = nodes
    if condition.holds(check, value, "if", at):
        return then is None or then.check(check, value, "then", at)
    return otherwise is None or otherwise.check(check, value, "else", at)


def ref(check: Check, link: tuple[Node, str], value: Any, at: At) -> bool:
    node, reference = link
    return node.document.target(reference, at).check(check, value, "$ref", at)
