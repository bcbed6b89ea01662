"""What every scenario is given: the versions to compare, a database server, and where to report."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import IntEnum

from bench.queues import NOW, Queue, Version, serving
from bench.report import Report
from tests.support.mariadb import MariaDB


class Scale(IntEnum):
    """How large a run is: QUICK shows that scenarios work, FULL takes three quarters of an hour."""

    QUICK = 0
    USUAL = 1
    FULL = 2


class Run:
    def __init__(
        self, report: Report, mariadb: MariaDB, before: Version | None, scale: Scale
    ) -> None:
        self.report = report
        self.mariadb = mariadb
        self.versions = [NOW, before] if before else [NOW]
        self._scale = scale
        self.is_quick = scale == Scale.QUICK
        self.rounds = (1, 2, 3)[scale]
        self.seconds = (0.2, 1.0, 1.5)[scale]
        """How long one measurement goes on."""

    def sizes(self, *sizes: int, full: Sequence[int] = ()) -> list[int]:
        """The sizes of a dimension, with ``full`` in between in a full run; small ones show as well
        that a scenario works.
        """
        if self.is_quick:
            return [min(size, 10 * (step + 1)) for step, size in enumerate(sizes)]
        return sorted([*sizes, *full]) if self._scale == Scale.FULL else list(sizes)

    def lasting(self, seconds: float) -> float:
        """How long something is watched: in a quick run not at all, beyond the least number of
        calls that its figures need.
        """
        return 0.0 if self.is_quick else seconds

    def count(self, usual: int, quick: int, full: int | None = None) -> int:
        return (quick, usual, usual if full is None else full)[self._scale]

    @contextmanager
    def queues(self, name: str) -> Iterator[list[Queue]]:
        """An empty queue of each version."""
        with ExitStack() as stack:
            yield [stack.enter_context(serving(each, self.mariadb, name)) for each in self.versions]

    def interleaved(
        self, cases: Mapping[str, Callable[[], float]], rounds: int = 0
    ) -> dict[str, float]:
        """The median of each case, each measured once a round, in a random order."""
        found: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(rounds or self.rounds):
            for name in random.sample(list(cases), len(cases)):
                found[name].append(cases[name]())
        return {name: statistics.median(values) for name, values in found.items()}

    def columns(self, *names: str) -> list[str]:
        """Column titles: each name once a version, then the ratio to the version before."""
        if len(self.versions) == 1:
            return list(names)
        return [title for name in names for title in (name, f"{name}, before", "ratio")]

    def cells(self, *values: Sequence[float]) -> list[object]:
        """The cells below ``columns``: values of one name, a version each."""
        cells: list[object] = []
        for each in values:
            cells += [float(value) for value in each]
            if len(each) > 1:
                cells.append(each[0] / each[1])
        return cells
