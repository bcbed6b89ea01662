"""What goes to the server's error log."""

from __future__ import annotations

import sys


def log(error: Exception | str) -> None:
    print(f"taskmanager: {error}", file=sys.stderr, flush=True)


def log_trace(error: Exception) -> None:
    """A defect, with its traceback."""
    import traceback

    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
