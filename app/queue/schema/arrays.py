"""Keywords for arrays."""

from __future__ import annotations

from app.queue.schema.equality import canonical
from app.queue.schema.unevaluated import evaluated_items
from app.queue.schema.wording import noun_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.document import Node
    from app.queue.schema.wording import At


def items(check: Check, items: tuple[Node, int], value: Any, at: At) -> bool:
    node, first = items
    if type(value) is not list:
        return True
    matches = True
    for index in range(first, len(value)):
        if not node.check(check, value[index], "items", (at, index)):
            matches = False
            if not check.telling:
                break
    return matches


def prefix_items(check: Check, nodes: list[Node], value: Any, at: At) -> bool:
    if type(value) is not list:
        return True
    matches = True
    for index, (each, node) in enumerate(zip(value, nodes)):
        if not node.check(check, each, "prefixItems", (at, index)):
            matches = False
            if not check.telling:
                break
    return matches


def contains(check: Check, wanted: tuple[Node, Any, Any], value: Any, at: At) -> bool:
    node, least, most = wanted
    if type(value) is not list:
        return True
    matching = 0
    for index, each in enumerate(value):
        if node.holds(check, each, "contains", (at, index)):
            matching += 1
            if most is not None and matching > most:
                return check.fail(at, "more items than {} match what contains asks for", most)
    if matching >= least:
        return True
    return check.fail(
        at, "too few items match what contains asks for: {}, and it needs {}", matching, least
    )


def min_items(check: Check, least: Any, value: Any, at: At) -> bool:
    if type(value) is not list or len(value) >= least:
        return True
    return check.fail(at, "{} is too short: it needs {} " + noun_for(least, "item"), value, least)


def max_items(check: Check, most: Any, value: Any, at: At) -> bool:
    if type(value) is not list or len(value) <= most:
        return True
    return check.fail(at, "{} is too long: it may have {} " + noun_for(most, "item"), value, most)


def unique_items(check: Check, argument: Any, value: Any, at: At) -> bool:
    if type(value) is not list:
        return True
    seen = set()
    for each in value:
        form = canonical(check, each, "uniqueItems", at)
        if form in seen:
            return check.fail(at, "{} has equal items, like {}", value, each)
        seen.add(form)
    return True


def unevaluated_items(check: Check, nodes: tuple[Node, Node], value: Any, at: At) -> bool:
    around, node = nodes
    if type(value) is not list:
        return True
    evaluated = evaluated_items(check, around, value, at, own=False)
    matches = True
    for index, each in enumerate(value):
        if index not in evaluated:
            matches &= node.check(check, each, "unevaluatedItems", (at, index))
    return matches
