"""Capturing groups of a pattern, and the references to them."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from app.queue.schema.ecma_source import Source

    NameOrNumber = Union[str, int]

_MAY_REFER = re.compile(r"\\[1-9k]")


class _CapturingGroup:
    """``repeats`` where it stands in something that may come several times."""

    def __init__(self) -> None:
        self.closed = False
        self.repeats = False


class Groups:
    """Those that were opened so far, in the order of their numbers."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # What a group captured takes memory, and is needed only where the pattern refers to it.
        self.capture = bool(_MAY_REFER.search(source.text))
        self._groups: list[_CapturingGroup] = []
        self._names: dict[str, int] = {}
        self._references: list[tuple[int, NameOrNumber]] = []

    def __len__(self) -> int:
        return len(self._groups)

    def open(self, name: str | None, start: int) -> _CapturingGroup:
        """A new one. Raises PatternError when its name is taken."""
        group = _CapturingGroup()
        self._groups.append(group)
        if name is not None:
            if name in self._names:
                self._source.refuse(f"two groups of the name {name!r}", start)
            self._names[name] = len(self._groups)
        return group

    def repeat(self, first: int) -> None:
        """Those from this position on stand in something that may come several times."""
        for group in self._groups[first:]:
            group.repeats = True

    def refer(self, start: int, wanted: NameOrNumber) -> tuple[str, int]:
        """The translation of a reference, and its size. What a group captured that is not closed
        yet, or took no part, is nothing.
        """
        self._references.append((start, wanted))
        number = self._number(wanted)
        if not 0 < number <= len(self._groups) or not self._groups[number - 1].closed:
            return "(?:)", 1
        return f"(?({number})\\g<{number}>|)", 3

    def check_references(self) -> None:
        """Raises PatternError for those that have no exact translation."""
        for start, wanted in self._references:
            number = self._number(wanted)
            if not 0 < number <= len(self._groups):
                self._source.refuse("a reference to a group that does not exist", start)
            if self._groups[number - 1].repeats:
                # ECMA-262 forgets what was captured with each round, regex does not.
                self._source.refuse("a reference to a group inside a repeated part", start)

    def _number(self, wanted: NameOrNumber) -> int:
        return self._names.get(wanted, 0) if isinstance(wanted, str) else wanted
