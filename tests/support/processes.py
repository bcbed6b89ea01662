"""Servers that the tests start: begun and ended alike, whatever they serve."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TypeVar

Own = TypeVar("Own", bound="Startable")


class Startable:
    """What runs from ``with`` to the end of its block. One whose start fails leaves nothing."""

    def start(self) -> None:
        """Begin, and return when it serves. Raises RuntimeError with its log."""
        raise NotImplementedError

    def remove(self) -> None:
        """End it, if it runs, and delete what it has written."""
        raise NotImplementedError

    def __enter__(self: Own) -> Own:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def end(
    process: subprocess.Popen[bytes], signum: int, seconds: float, whole_group: bool = False
) -> None:
    """End a process that leads a group of its own, and wait for it. When that takes longer than
    ``seconds`` the whole group is killed.
    """
    with suppress(ProcessLookupError):
        if whole_group:
            os.killpg(process.pid, signum)
        else:
            process.send_signal(signum)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_ctrl_c() -> None:
    """Until somebody presses it, or sends SIGTERM."""
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: ended.set())
    ended.wait()
