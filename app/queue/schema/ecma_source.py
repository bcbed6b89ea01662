"""The text of a pattern while it is read, and how it is refused."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import NoReturn

MAX_SIZE = 20_000
"""How large one pattern may be: what must be there so and so often counts so often, since `regex`
writes it out that often, 300 bytes each time.
"""

HINTS = {
    "\\A": "write ^",
    "\\Z": "write $",
    "\\z": "write $",
    "(?P": "write (?<name>…) and \\k<name>",
    "(?i": "write (?i:…) around what it is for",
    "(?#": "leave comments out",
}


class PatternError(ValueError):
    """The message continues a sentence that begins "the pattern …"."""


class Source:
    """``text`` up to ``position`` has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        return self.position >= len(self.text)

    def peek(self, ahead: int = 0) -> str:
        """The character that comes next, or after ``ahead`` more; empty at the end."""
        return self.text[self.position + ahead : self.position + ahead + 1]

    def next(self) -> str:
        """The next character, which is read then. There has to be one."""
        self.position += 1
        return self.text[self.position - 1]

    def take(self, text: str) -> bool:
        """Whether this comes next; then it is read."""
        if not self.text.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def match(self, expression: re.Pattern[str], skip: int = 0) -> re.Match[str] | None:
        """What comes next, after ``skip`` characters, if it is of this form; then it is read."""
        found = expression.match(self.text, self.position + skip)
        if found:
            self.position = found.end()
        return found

    def refuse(self, what: str, start: int) -> NoReturn:
        """Raises PatternError about what begins at ``start``."""
        hint = next((HINTS[each] for each in HINTS if self.text.startswith(each, start)), "")
        raise PatternError(
            f"cannot be read: it has {what}, at character {start + 1}"
            + (f" ({hint})" if hint else "")
        )


def bounded(size: int) -> int:
    """The size. Raises PatternError for one that is too large."""
    if size > MAX_SIZE:
        raise PatternError(
            "is too large once its repetitions are written out: ask for fewer, or use minLength"
        )
    return size
