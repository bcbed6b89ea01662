"""Regular expressions of ECMA-262, in Unicode mode, translated for the package `regex`.

JSON Schema's patterns are ECMA-262. Python reads many of them otherwise: its ``$`` matches before a
last newline, its ``\\d`` takes any script's digits. So every part is parsed, and written in a way
that `regex` cannot read otherwise: each class spelled out, each other character escaped.

Where Unicode mode is stricter than JavaScript without it, what is plain there is taken (``\\-``, a
lone ``}``), because people write it. What has no exact translation is refused.
"""

from __future__ import annotations

import re

from app.queue.schema.characters import (
    ANY,
    BOUNDARY,
    LINE_END,
    NO_BOUNDARY,
    NO_LINE_END,
    literal,
)
from app.queue.schema.ecma_characters import bracket_class, escaped
from app.queue.schema.ecma_groups import Groups
from app.queue.schema.ecma_source import MAX_SIZE, PatternError, Source, bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_GROUPS_DEEP = 50
MAX_COUNT = 1_000_000_000
"""No text has more characters; `regex` does not take much larger numbers."""

_QUANTIFIER = re.compile(r"(?:([*+?])|\{([0-9]+)(?:(,)([0-9]*))?\})(\??)")
_GROUP = re.compile(r"\?(?:(<?[=!])|<([A-Za-z_$][\w$]*)>|([ims]*)(-[ims]+)?:)")
_NAME = re.compile(r"<([A-Za-z_$][\w$]*)>")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


class Translation:
    def __init__(self, text: str, size: int) -> None:
        self.text = text
        self.size = size


def translate(source: str) -> Translation:
    """Raises PatternError with what is wrong and where."""
    return _Parser(source).parse()


def compiled(translation: Translation) -> Any:
    """Raises PatternError where `regex` cannot take it: for a property that it does not know."""
    import regex

    # Its own cache holds 500 patterns, however large; ours counts what they take.
    regex.cache_all(False)
    try:
        return regex.compile(translation.text, regex.VERSION0)
    except (regex.error, OverflowError, RecursionError) as error:
        raise PatternError(f"cannot be read: {error}") from None


class _Parser:
    """Recursive descent over the source. Methods return the translation and its size."""

    def __init__(self, text: str) -> None:
        self.source = Source(text)
        self.groups = Groups(self.source)
        self.depth = 0
        self.multiline = False
        self.dot_all = False

    def parse(self) -> Translation:
        if len(self.source.text) > MAX_SIZE:
            raise PatternError(f"is longer than {MAX_SIZE} characters: simplify it")
        text, size = self._alternatives()
        if not self.source.is_at_end:
            self.source.refuse("a ) that closes nothing", self.source.position)
        self.groups.check_references()
        return Translation(text, bounded(size))

    def _alternatives(self) -> tuple[str, int]:
        texts, size = [], 0
        while True:
            text, more = self._sequence()
            texts.append(text)
            size += more + 1
            if not self.source.take("|"):
                return "|".join(texts), size

    def _sequence(self) -> tuple[str, int]:
        texts, size = [], 0
        while self.source.peek() not in ("", "|", ")"):
            text, more = self._term()
            texts.append(text)
            size += more
        return "".join(texts), size

    def _term(self) -> tuple[str, int]:
        start, groups_before = self.source.position, len(self.groups)
        text, size, repeatable = self._atom()
        end = self.source.position
        match = self.source.match(_QUANTIFIER)
        if not match:
            return text, size
        if not repeatable:
            self.source.refuse("a quantifier where there is nothing to repeat", end)
        least, most = self._counts(match, start)
        if most is None or most > 1:
            # The group that is repeated itself begins each round empty; those inside it would not.
            self.groups.repeat(groups_before + self._captures_at(start))
        upper = "" if most is None else most
        return f"{text}{{{least},{upper}}}{match[5]}", bounded(size * max(least, 1) + 1)

    def _counts(self, match: re.Match[str], start: int) -> tuple[int, int | None]:
        if match[1]:
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[match[1]]
        if max(len(match[2]), len(match[4] or "")) > 300:
            self.source.refuse("a number that is too large", start)
        least = int(match[2])
        most = int(match[4]) if match[4] else None
        if most is not None and most < least:
            self.source.refuse("numbers out of order", start)
        bounded(least)
        if not match[3]:
            return least, least
        return least, None if most is None or most > MAX_COUNT else most

    def _captures_at(self, start: int) -> bool:
        text = self.source.text
        if text[start] != "(":
            return False
        return not text.startswith("(?", start) or bool(_NAME.match(text, start + 2))

    def _atom(self) -> tuple[str, int, bool]:
        """The translation, its size, and whether a quantifier may follow."""
        start = self.source.position
        if _QUANTIFIER.match(self.source.text, start):
            self.source.refuse("a quantifier where there is nothing to repeat", start)
        character = self.source.next()
        if character == "(":
            return self._group(start)
        if character == "[":
            return (*bracket_class(self.source, start), True)
        if character == "\\":
            return self._escape(start)
        if character in "^$":
            return self._edge(character), 1, False
        if character == ".":
            return (ANY if self.dot_all else NO_LINE_END), 4, True
        return literal(character), 1, True

    def _edge(self, character: str) -> str:
        if character == "^":
            return f"(?:\\A|(?<={LINE_END}))" if self.multiline else "\\A"
        return f"(?:\\Z|(?={LINE_END}))" if self.multiline else "\\Z"

    def _group(self, start: int) -> tuple[str, int, bool]:
        self.depth += 1
        if self.depth > MAX_GROUPS_DEEP:
            raise PatternError(f"nests groups deeper than {MAX_GROUPS_DEEP} levels: simplify it")
        if self.source.peek() == "?":
            result = self._special_group(start)
        else:
            result = self._capturing(start, None)
        self.depth -= 1
        return result

    def _special_group(self, start: int) -> tuple[str, int, bool]:
        match = self.source.match(_GROUP)
        if not match:
            begins = self.source.text[start : start + 3]
            self.source.refuse(f"{begins!r}, which is not ECMA-262", start)
        if match[1]:
            text, size = self._closed(start)
            return f"(?{match[1]}{text})", size + 1, False
        if match[2]:
            return self._capturing(start, match[2])
        return self._with_flags(start, match[3], (match[4] or "")[1:])

    def _closed(self, start: int) -> tuple[str, int]:
        inside = self._alternatives()
        if not self.source.take(")"):
            self.source.refuse("a ( that is not closed", start)
        return inside

    def _capturing(self, start: int, name: str | None) -> tuple[str, int, bool]:
        group = self.groups.open(name, start)
        text, size = self._closed(start)
        group.closed = True
        return f"({'' if self.groups.capture else '?:'}{text})", size + 1, True

    def _with_flags(self, start: int, on: str, off: str) -> tuple[str, int, bool]:
        if len(set(on + off)) < len(on + off):
            self.source.refuse("a flag that is given twice", start)
        before = self.multiline, self.dot_all
        self.multiline = ("m" in on or self.multiline) and "m" not in off
        self.dot_all = ("s" in on or self.dot_all) and "s" not in off
        text, size = self._closed(start)
        self.multiline, self.dot_all = before
        flag = "i" if "i" in on else "-i" if "i" in off else ""
        return f"(?{flag}:{text})", size + 1, True

    def _escape(self, start: int) -> tuple[str, int, bool]:
        character = self.source.peek()
        if character in ("b", "B"):
            self.source.next()
            return (BOUNDARY if character == "b" else NO_BOUNDARY), 8, False
        if character == "k":
            name = self.source.match(_NAME, skip=1)
            if not name:
                self.source.refuse("a \\k without the name of a group", start)
            return (*self.groups.refer(start, name[1]), True)
        number = self.source.match(_NUMBER)
        if number:
            return (*self.groups.refer(start, int(number[0])), True)
        found = escaped(self.source, start)
        if isinstance(found, int):
            return literal(chr(found)), 1, True
        return f"[{found}]", 4, True
