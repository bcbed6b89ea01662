"""A schema made ready for checking, piece by piece as the checking gets there."""

from __future__ import annotations

from app.queue.schema.check import GaveUp
from app.queue.schema.keywords import KEYWORDS
from app.queue.schema.pattern import Pattern
from app.queue.schema.places import IN_A_LIST, IN_A_MAP, IN_ITSELF, anchors_in, resolve
from app.queue.schema.values import nothing_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.wording import At

    Keyword = Callable[[Check, Any, Any, At], bool]

MAX_PATTERNS_SIZE = 50_000
"""How large all patterns of a schema may be together, in what `regex` makes of them: a part of
one is about 300 bytes and 20 microseconds.
"""


NO_PARTS: dict[str, Any] = {}


class Document:
    """A whole schema: its ``root``, the patterns in it, and where its references lead."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.root = Node(schema, self)
        self.patterns_size = 0
        self._targets: dict[str, Node | None] = {"#": self.root}
        self._anchors: dict[str, Any] | None = None
        self._patterns: dict[str, Pattern] = {}

    def target(self, reference: str, at: At) -> Node:
        node = self.find(reference)
        if node is None:
            raise GaveUp(at, "the type's schema refers to nothing: register it again")
        return node

    def find(self, reference: str) -> Node | None:
        """None where the reference leads to no schema."""
        if reference not in self._targets:
            if self._anchors is None:
                self._anchors = anchors_in(self.schema)
            found = resolve(self.schema, reference, self._anchors)
            self._targets[reference] = None if found is None else Node(found[0], self)
        return self._targets[reference]

    def pattern(self, source: str) -> Pattern:
        pattern = self._patterns.get(source)
        if pattern is None:
            pattern = self._patterns[source] = Pattern(source, self)
        return pattern

    def take_room(self, size: int) -> bool:
        """Whether there is room for one more pattern of this size."""
        self.patterns_size += size
        return self.patterns_size <= MAX_PATTERNS_SIZE


class Node:
    """One schema. ``parts`` are the schemas inside it, by keyword: a node, a list or a map."""

    __slots__ = ("_keywords", "document", "parts", "schema")

    document: Document
    parts: dict[str, Any]

    def __init__(self, schema: Any, document: Document) -> None:
        self.schema = schema
        self.document = document
        self.parts = NO_PARTS
        self._keywords: list[tuple[Keyword, Any]] | None = None

    def check(self, check: Check, value: Any, keyword: str, at: At) -> bool:
        """Whether the value matches. ``keyword`` is what led here, for people."""
        check.descend(keyword, at)
        keywords = self._keywords
        if keywords is None:
            keywords = self.prepare(check, at)
        matches = True
        for function, argument in keywords:
            if not function(check, argument, value, at):
                matches = False
                if not check.telling:
                    break
        check.ascend()
        return matches

    def holds(self, check: Check, value: Any, keyword: str, at: At) -> bool:
        """Whether the value matches; why not is of no interest."""
        telling, check.telling = check.telling, False
        matches = self.check(check, value, keyword, at)
        check.telling = telling
        return matches

    def prepare(self, check: Check, at: At) -> list[tuple[Keyword, Any]]:
        """Fills ``parts``; returns each keyword's function with what it needs."""
        if self._keywords is not None:
            return self._keywords
        keywords: list[tuple[Keyword, Any]] = []
        if self.schema is False:
            keywords.append((nothing_matches, None))
        elif self.schema is not True:
            self.parts = self._parts(check, at)
            for word, argument in self.schema.items():
                make = KEYWORDS.get(word)
                made = make(self, argument) if make else None
                if made is not None:
                    keywords.append(made)
        self._keywords = keywords
        return keywords

    def _parts(self, check: Check, at: At) -> dict[str, Any]:
        document = self.document
        parts: dict[str, Any] = {}
        for word, argument in self.schema.items():
            if word in IN_ITSELF:
                parts[word] = Node(argument, document)
            elif word in IN_A_LIST:
                check.spend(len(argument), word, at)
                parts[word] = [Node(each, document) for each in argument]
            elif word in IN_A_MAP and word not in ("$defs", "definitions"):
                check.spend(len(argument), word, at)
                parts[word] = {name: Node(each, document) for name, each in argument.items()}
        return parts
