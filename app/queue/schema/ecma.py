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
    CLASSES,
    CONTROLS,
    LINE_END,
    NO_BOUNDARY,
    NO_LINE_END,
    literal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

MAX_SIZE = 20_000
"""How large one pattern may be: what must be there so and so often counts so often, since `regex`
writes it out that often, 300 bytes each time.
"""

MAX_GROUPS_DEEP = 50
MAX_COUNT = 1_000_000_000
"""No text has more characters; `regex` does not take much larger numbers."""

_QUANTIFIER = re.compile(r"(?:([*+?])|\{([0-9]+)(?:(,)([0-9]*))?\})(\??)")
_GROUP = re.compile(r"\?(?:(<?[=!])|<([A-Za-z_$][\w$]*)>|([ims]*)(-[ims]+)?:)")
_NAME = re.compile(r"<([A-Za-z_$][\w$]*)>")
_PROPERTY = re.compile(r"\{[A-Za-z0-9_]+(?:=[A-Za-z0-9_]+)?\}")
_CODE = re.compile(r"u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|c([A-Za-z])")
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_MAY_REFER = re.compile(r"\\[1-9k]")

HINTS = {
    "\\A": "write ^",
    "\\Z": "write $",
    "\\z": "write $",
    "(?P": "write (?<name>…) and \\k<name>",
    "(?i": "write (?i:…) around what it is for",
    "(?#": "leave comments out",
}


class PatternError(ValueError):
    """Reads on from "the pattern …"."""


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


class _Group:
    """A capturing group; ``repeats`` where it stands in something that may come several times."""

    def __init__(self) -> None:
        self.closed = False
        self.repeats = False


class _Parser:
    """Recursive descent over the source. Methods return the translation and its size."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.depth = 0
        self.groups: list[_Group] = []
        self.names: dict[str, int] = {}
        self.references: list[tuple[int, Any]] = []
        # What a group captured takes memory, and is needed only where the pattern refers to it.
        self.captures = bool(_MAY_REFER.search(source))
        self.multiline = False
        self.dot_all = False

    def parse(self) -> Translation:
        if len(self.source) > MAX_SIZE:
            raise PatternError(f"is longer than {MAX_SIZE} characters: simplify it")
        text, size = self._alternatives()
        if self.position < len(self.source):
            self._refuse("a ) that closes nothing", self.position)
        self._check_references()
        return Translation(text, self._bounded(size))

    def _alternatives(self) -> tuple[str, int]:
        texts, size = [], 0
        while True:
            text, more = self._sequence()
            texts.append(text)
            size += more + 1
            if not self._take("|"):
                return "|".join(texts), size

    def _sequence(self) -> tuple[str, int]:
        texts, size = [], 0
        while self.position < len(self.source) and self.source[self.position] not in "|)":
            text, more = self._term()
            texts.append(text)
            size += more
        return "".join(texts), size

    def _term(self) -> tuple[str, int]:
        start, groups_before = self.position, len(self.groups)
        text, size, repeatable = self._atom()
        match = _QUANTIFIER.match(self.source, self.position)
        if not match:
            return text, size
        if not repeatable:
            self._refuse("a quantifier where there is nothing to repeat", self.position)
        self.position = match.end()
        least, most = self._counts(match, start)
        if most is None or most > 1:
            # The group that is repeated itself begins each round empty; those inside it would not.
            itself = self.source[start] == "(" and self._captures_at(start)
            for group in self.groups[groups_before + itself :]:
                group.repeats = True
        upper = "" if most is None else most
        return (
            f"{text}{{{least},{upper}}}{match[5]}",
            self._bounded(size * max(least, 1) + 1),
        )

    def _counts(self, match: re.Match[str], start: int) -> tuple[int, int | None]:
        if match[1]:
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[match[1]]
        if max(len(match[2]), len(match[4] or "")) > 300:
            self._refuse("a number that is too large", start)
        least = int(match[2])
        if not match[3]:
            self._bounded(least)
            return least, least
        most = int(match[4]) if match[4] else None
        if most is not None and most < least:
            self._refuse("numbers out of order", start)
        self._bounded(least)
        return least, None if most is None or most > MAX_COUNT else most

    def _captures_at(self, start: int) -> bool:
        return not self.source.startswith("(?", start) or bool(_NAME.match(self.source, start + 2))

    def _atom(self) -> tuple[str, int, bool]:
        """The translation, its size, and whether a quantifier may follow."""
        start = self.position
        character = self.source[start]
        self.position += 1
        if character == "(":
            return self._group(start)
        if character == "[":
            return (*self._class(start), True)
        if character == "\\":
            return self._escape(start)
        if character in "^$":
            return self._edge(character), 1, False
        if character == ".":
            return (ANY if self.dot_all else NO_LINE_END), 4, True
        if _QUANTIFIER.match(self.source, start):
            self._refuse("a quantifier where there is nothing to repeat", start)
        return literal(character), 1, True

    def _edge(self, character: str) -> str:
        if character == "^":
            return f"(?:\\A|(?<={LINE_END}))" if self.multiline else "\\A"
        return f"(?:\\Z|(?={LINE_END}))" if self.multiline else "\\Z"

    # Groups and what refers to them.

    def _group(self, start: int) -> tuple[str, int, bool]:
        self.depth += 1
        if self.depth > MAX_GROUPS_DEEP:
            raise PatternError(f"nests groups deeper than {MAX_GROUPS_DEEP} levels: simplify it")
        if self.source.startswith("?", self.position):
            match = _GROUP.match(self.source, self.position)
            if not match:
                self._refuse(f"{self.source[start : start + 3]!r}, which is not ECMA-262", start)
            self.position = match.end()
            if match[1]:
                text, size = self._closed(start)
                result = f"(?{match[1]}{text})", size + 1, False
            elif match[2]:
                result = self._capturing(start, match[2])
            else:
                result = self._with_flags(start, match[3], (match[4] or "")[1:])
        else:
            result = self._capturing(start, None)
        self.depth -= 1
        return result

    def _closed(self, start: int) -> tuple[str, int]:
        inside = self._alternatives()
        if not self._take(")"):
            self._refuse("a ( that is not closed", start)
        return inside

    def _capturing(self, start: int, name: str | None) -> tuple[str, int, bool]:
        group = _Group()
        self.groups.append(group)
        if name is not None:
            if name in self.names:
                self._refuse(f"two groups of the name {name!r}", start)
            self.names[name] = len(self.groups)
        text, size = self._closed(start)
        group.closed = True
        return f"({'' if self.captures else '?:'}{text})", size + 1, True

    def _with_flags(self, start: int, on: str, off: str) -> tuple[str, int, bool]:
        if len(set(on + off)) < len(on + off):
            self._refuse("a flag that is given twice", start)
        before = self.multiline, self.dot_all
        self.multiline = ("m" in on or self.multiline) and "m" not in off
        self.dot_all = ("s" in on or self.dot_all) and "s" not in off
        text, size = self._closed(start)
        self.multiline, self.dot_all = before
        flag = "i" if "i" in on else "-i" if "i" in off else ""
        return f"(?{flag}:{text})", size + 1, True

    def _reference(self, start: int, wanted: Any) -> tuple[str, int, bool]:
        """Nothing is what a group captured that is not closed yet, or took no part."""
        self.references.append((start, wanted))
        number = self.names.get(wanted, 0) if isinstance(wanted, str) else wanted
        if not 0 < number <= len(self.groups) or not self.groups[number - 1].closed:
            return "(?:)", 1, True
        return f"(?({number})\\g<{number}>|)", 3, True

    def _check_references(self) -> None:
        for start, wanted in self.references:
            number = self.names.get(wanted, 0) if isinstance(wanted, str) else wanted
            if not 0 < number <= len(self.groups):
                self._refuse("a reference to a group that does not exist", start)
            if self.groups[number - 1].repeats:
                # ECMA-262 forgets what was captured with each round, regex does not.
                self._refuse("a reference to a group inside a repeated part", start)

    # Single characters and classes of them.

    def _escape(self, start: int) -> tuple[str, int, bool]:
        character = self.source[self.position : self.position + 1]
        if character in ("b", "B"):
            self.position += 1
            return (BOUNDARY if character == "b" else NO_BOUNDARY), 8, False
        if character == "k":
            match = _NAME.match(self.source, self.position + 1)
            if not match:
                self._refuse("a \\k without the name of a group", start)
            self.position = match.end()
            return self._reference(start, match[1])
        if character and character in "123456789":
            digits = re.compile("[0-9]{1,5}").match(self.source, self.position)
            assert digits
            self.position = digits.end()
            return self._reference(start, int(digits[0]))
        code, text = self._escaped(start)
        if code is not None:
            return literal(chr(code)), 1, True
        return f"[{text}]", 4, True

    def _escaped(self, start: int) -> tuple[int | None, str]:
        """What follows a backslash inside a class or outside: a character's code, or a class."""
        character = self.source[self.position : self.position + 1]
        if character in CLASSES:
            self.position += 1
            return None, CLASSES[character]
        if character in ("p", "P"):
            match = _PROPERTY.match(self.source, self.position + 1)
            if not match:
                self._refuse("a \\p without a property of Unicode", start)
            self.position = match.end()
            # The one name that `regex` gives to something else.
            name = "{ID_Continue}" if match[0] == "{IDC}" else match[0]
            return None, f"\\{character}{name}"
        if character in CONTROLS:
            self.position += 1
            return CONTROLS[character], ""
        if character == "0" and not self.source[self.position + 1 : self.position + 2].isdigit():
            self.position += 1
            return 0, ""
        match = _CODE.match(self.source, self.position)
        if match:
            self.position = match.end()
            return self._code(match, start), ""
        if not character or character.isalnum():
            escape = self.source[start : start + 2]
            self._refuse(f"{escape!r}, which is not ECMA-262", start)
        self.position += 1
        return ord(character), ""

    def _code(self, match: re.Match[str], start: int) -> int:
        if match[4]:
            return ord(match[4]) % 32
        digits = match[1] or match[2] or match[3]
        if len(digits.lstrip("0")) > 6 or int(digits, 16) > 0x10FFFF:
            self._refuse("a character beyond Unicode", start)
        code = int(digits, 16)
        if match[2] and 0xD800 <= code < 0xDC00:
            low = _LOW_SURROGATE.match(self.source, self.position)
            if low:
                self.position = low.end()
                return 0x10000 + ((code - 0xD800) << 10) + (int(low[1], 16) - 0xDC00)
        return code

    def _class(self, start: int) -> tuple[str, int]:
        negated = self._take("^")
        items: list[str] = []
        while not self._take("]"):
            first = self._class_atom(start)
            if (
                self.source.startswith("-", self.position)
                and self.source[self.position + 1 : self.position + 2] != "]"
            ):
                self.position += 1
                last = self._class_atom(start)
                items += self._range(first, last, start)
            else:
                items.append(_in_class(first))
        if not items:
            return (ANY if negated else "(?!)"), 4
        return f"[{'^' if negated else ''}{''.join(items)}]", len(items) + 1

    def _range(self, first: int | str, last: int | str, start: int) -> list[str]:
        if isinstance(first, str) or isinstance(last, str):
            return [_in_class(first), literal("-"), _in_class(last)]
        if first > last:
            self._refuse(f"a range out of order, {chr(first)!r} to {chr(last)!r}", start)
        return [f"{literal(chr(first))}-{literal(chr(last))}"]

    def _class_atom(self, start: int) -> int | str:
        if self.position >= len(self.source):
            self._refuse("a [ that is not closed", start)
        here = self.position
        character = self.source[here]
        self.position += 1
        if character != "\\":
            return ord(character)
        if self._take("b"):
            return 8
        code, text = self._escaped(here)
        return text if code is None else code

    def _take(self, character: str) -> bool:
        if not self.source.startswith(character, self.position):
            return False
        self.position += 1
        return True

    def _bounded(self, size: int) -> int:
        if size > MAX_SIZE:
            raise PatternError(
                "is too large once its repetitions are written out: ask for fewer, or use minLength"
            )
        return size

    def _refuse(self, what: str, start: int) -> NoReturn:
        hint = next((HINTS[each] for each in HINTS if self.source.startswith(each, start)), "")
        raise PatternError(
            f"cannot be read: it has {what}, at character {start + 1}"
            + (f" ({hint})" if hint else "")
        )


def _in_class(atom: int | str) -> str:
    return atom if isinstance(atom, str) else literal(chr(atom))
