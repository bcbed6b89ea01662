"""What stops an installation, an upgrade or a build: each error says what to do about it."""

from __future__ import annotations

EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_FAILED = 4


class InstallError(Exception):
    """Something cannot be done. The message says why and what to do; ``field`` names the input
    of a form that it is about, ``exit_code`` is for command lines.
    """

    def __init__(self, message: str, field: str = "", exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.field = field
        self.exit_code = exit_code


class Busy(Exception):
    """Another process is at work on this installation."""
