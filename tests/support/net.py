"""Ports and waiting, for tests that run real programs."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable, Iterator

HOST = "127.0.0.1"


# Below the ports that systems give to outgoing connections: one of those may sit on the port of a
# server that is down for a moment, which then cannot start again.
PORTS = range(12_000, 32_000)


def free_port() -> int:
    """A TCP port of the loopback address that nothing uses."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def is_listening(port: int) -> bool:
    """Whether something takes connections at the port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return as soon as the condition holds. Raises TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


def until(condition: Callable[[], object], seconds: float, what: str) -> Iterator[None]:
    """One turn after another of a loop that ends when the condition holds.

    Raises TimeoutError naming `what` after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"tried for {seconds:g} s: {what}")
        yield
