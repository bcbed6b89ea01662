"""Ctrl-C and its relatives: raised once, where they do no harm."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Signals:
    """Turns the first SIGINT, SIGTERM or SIGHUP into Interrupted, and passes on those after it."""

    def __init__(self) -> None:
        self._is_held = False
        self._received: int | None = None
        self._again: Callable[[], None] = lambda: None

    def install(self) -> None:
        """Handle signals from now on, and those that were blocked until now."""
        for signum in HANDLED:
            # nohup makes the program ignore SIGHUP, and that stays so.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._receive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    @staticmethod
    def block() -> None:
        """Keep signals for the program that replaces this one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A signal that comes inside the block is raised at its end."""
        before = self._received
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._received is not None and before is None:
            raise Interrupted(self._received)

    def call_instead(self, again: Callable[[], None]) -> None:
        """Call `again` for each further signal instead of raising: the program is ending."""
        self._again = again
        self._is_held = True

    def _receive(self, signum: int, _frame: object) -> None:
        is_first = self._received is None
        self._received = signum
        if is_first and not self._is_held:
            raise Interrupted(signum)
        self._again()
