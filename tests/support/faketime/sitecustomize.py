"""Loaded at the start of a Python program under libfaketime; see tests.support.server.faketime.

libfaketime refuses time.sleep, which since Python 3.11 waits for an absolute time of a clock that
is not moved. Waiting for a span works.
"""

import select
import time


def sleep(seconds: float) -> None:
    """Wait without naming a clock."""
    select.select([], [], [], seconds)


time.sleep = sleep
