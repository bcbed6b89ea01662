"""The processes of a server under test."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from pathlib import Path

from tests.support.net import wait_until
from tests.support.server import Server


def worker_pids(server: Server) -> list[int]:
    """gunicorn's workers: the children of the process that the server was started as."""
    assert server._process
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in parentheses may hold spaces; state and parent follow it.
            parent = status.read_text("ascii", "replace").rpartition(")")[2].split()[1]
            if int(parent) == server._process.pid:
                found.append(int(status.parent.name))
    return found


def kill_a_worker(server: Server) -> int:
    """SIGKILL to one of the web server's workers, as a host that is short of memory does."""
    wait_until(lambda: worker_pids(server), 30, "a worker to be there")
    pid = random.choice(worker_pids(server))
    os.kill(pid, signal.SIGKILL)
    return pid
