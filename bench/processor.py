"""Processor time by program: what a task costs, whatever else the machine does meanwhile."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Spent(NamedTuple):
    """Milliseconds of processor time for each task, by who took them."""

    clients: float
    server: float
    database: float

    @property
    def total(self) -> float:
        return sum(self)


class Meter:
    """Measures the programs of one measurement: what it starts itself and waits for (clients), a
    server's processes with all that they have started, and the database's process.
    """

    def __init__(self, server: Sequence[int], database: int) -> None:
        self._server = server
        self._database = database

    def measure(self, work: Callable[[], float]) -> tuple[float, tuple[float, float, float]]:
        """What the work returns, and the seconds that each part took."""
        before = self._seconds()
        result = work()
        after = self._seconds()
        clients, server, database = (then - now for then, now in zip(after, before))
        return result, (clients, server, database)

    def _seconds(self) -> tuple[float, float, float]:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        database = _of_process(_fields(self._database))
        return ended.ru_utime + ended.ru_stime, _with_descendants(self._server), database


def per_task(seconds: tuple[float, float, float], tasks: float) -> Spent:
    return Spent(*(each / tasks * 1000 for each in seconds))


def _with_descendants(pids: Sequence[int]) -> float:
    """Of the processes that are there now: one that has ended is missing."""
    processes: dict[int, list[str]] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            fields = processes[int(folder.name)] = _fields(int(folder.name))
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid for pid in pids if pid in processes]
    for pid in found:  # grows meanwhile
        found += children.get(pid, ())
    return sum(_of_process(processes[pid]) for pid in found)


def _fields(pid: int) -> list[str]:
    """What Linux tells of a process behind its name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _of_process(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / TICKS
