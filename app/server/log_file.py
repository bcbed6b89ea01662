"""The site's own log file, for those who cannot see their server's error log."""

from __future__ import annotations

import os
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

MAX_BYTES = 1024 * 1024
"""A longer file becomes ``….1``, and a new one is begun."""


class LogFile:
    """Takes the place of ``sys.stderr``: passes on what is written, and writes it to a file too.

    The file is opened when something is written: most requests write nothing. In a folder that
    cannot be written to, only the entry in the file is lost. Times are UTC.
    """

    def __init__(self, path: str, stream: TextIO) -> None:
        self._path = path
        self._stream = stream
        self._at_line_start = True

    def write(self, text: str) -> int:
        self._stream.write(text)
        with suppress(OSError):
            self._append(text)
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _append(self, text: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())
        stamped = ""
        for line in text.splitlines(keepends=True):
            stamped += now + line if self._at_line_start else line
            self._at_line_start = line.endswith("\n")
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.fstat(handle).st_size > MAX_BYTES:
                os.replace(self._path, self._path + ".1")
            os.write(handle, stamped.encode("utf-8", "backslashreplace"))
        finally:
            os.close(handle)
