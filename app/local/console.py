"""What people see: numbered steps, a progress line, tables, commands to paste."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator
from typing import IO


class Console:
    """Numbered steps and a progress line. Redraws on a terminal, writes plain lines elsewhere."""

    SECONDS_BETWEEN_LINES = 5.0
    INDENT = "      "

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._title_is_open = False
        self._progress_is_open = False
        self._last_progress = 0.0

    @property
    def width(self) -> int | None:
        """How many characters fit on a line; None where no terminal limits it."""
        return shutil.get_terminal_size((100, 24)).columns if self._is_terminal else None

    def line(self, text: str = "") -> None:
        """One whole line, on a line of its own."""
        self.close()
        self._write(text + "\n")

    def begin(self, title: str) -> None:
        """The title of a step, whose line `end` completes."""
        self.close()
        self._write(title)
        self._title_is_open = True

    def end(self, detail: str) -> None:
        """What the step did: on its title's line if that is still the last one."""
        if self._title_is_open:
            self._title_is_open = False
            self._write(f" {detail}\n")
        else:
            self.line(self.INDENT + detail)

    def progress(self, text: str, now: bool = False) -> None:
        """Replace the progress line; without a terminal, add one `now` or every few seconds."""
        text = self.INDENT + text
        if self._is_terminal:
            self.close(keep_progress=True)
            columns = (self.width or 100) - 1
            self._write("\r" + text[:columns].ljust(columns))
            self._progress_is_open = True
        elif now or time.monotonic() - self._last_progress >= self.SECONDS_BETWEEN_LINES:
            self.line(text)
            self._last_progress = time.monotonic()

    def close(self, keep_progress: bool = False) -> None:
        """End the line that is open, if one is."""
        if self._title_is_open or (self._progress_is_open and not keep_progress):
            self._write("\n")
            self._progress_is_open = False
        self._title_is_open = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def printable(text: str) -> str:
    """The text with everything escaped that could confuse a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, length: int) -> str:
    """The text, cut to the length with three dots at its end."""
    return text if len(text) <= length else text[: length - 3] + "..."


def counted(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shell_word(path: bytes) -> str:
    """The path as one word for a POSIX shell; unprintable bytes as in $'\\ooo'."""
    text = os.fsdecode(path)
    if text.isprintable():
        return shlex.quote(text)
    octal = "".join(
        chr(byte) if 32 < byte < 127 and byte not in b"'\\" else f"\\{byte:03o}" for byte in path
    )
    return f"$'{octal}'"


def table(rows: list[list[str]], width: int | None) -> Iterator[str]:
    """The rows as aligned lines, the last column cut at the width if there is one."""
    columns = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(length) for cell, length in zip(row, columns)]
        line = "  ".join(cells).rstrip()
        yield shortened(line, width) if width else line
