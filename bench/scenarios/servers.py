"""Servers that keep connections open, beside one another on the same database: single tasks by
eight clients, the share of the raw-SQL floor, and where a task's processor time goes.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from functools import partial

from bench import data
from bench.clients import Work, rate
from bench.floors import raw_sql
from bench.processor import Meter, Spent, per_task
from bench.report import Table
from bench.run import Run
from bench.servers import KINDS, KeepAliveServer, Kind
from bench.ways import folded, singly

CLIENTS = 8
PENDING = 200_000
WARMING = 0.5


class Measured:
    """Rates and processor times of one way of working, a round each."""

    def __init__(self) -> None:
        self._rates: list[float] = []
        self._spent: list[Spent] = []

    def add(self, meter: Meter, work: Work, url: str, seconds: float) -> None:
        found, spent = meter.measure(partial(rate, work, url, CLIENTS, seconds))
        self._rates.append(found)
        self._spent.append(per_task(spent, found * seconds))

    @property
    def rate(self) -> float:
        return statistics.median(self._rates)

    @property
    def spent(self) -> Spent:
        return Spent(*(statistics.median(each) for each in zip(*self._spent)))


def measure(run: Run) -> None:
    with ExitStack() as stack:
        queue = stack.enter_context(run.queues("servers"))[0]
        data.types(queue, 1, 1)
        data.pending(queue, run.count(PENDING, 5000))
        data.settle_down(queue)
        config = {"DATABASE_URL": run.mariadb.url(queue.database)}
        servers = {
            kind: stack.enter_context(KeepAliveServer(kind, config))
            for kind in KINDS
            if not kind.missing()
        }
        raw, floor = raw_sql.address(run.mariadb, queue.database), Measured()
        found = {kind: (Measured(), Measured()) for kind in servers}
        for server in servers.values():  # its processes load the program with their first calls
            rate(singly, server.url, 2 * CLIENTS, WARMING)
        for _ in range(run.count(2, 1)):
            floor.add(Meter((), run.mariadb.pid), raw_sql.singly, raw, run.seconds)
            for kind, server in servers.items():
                meter = Meter(server.pids, run.mariadb.pid)
                for way, measured in zip((singly, folded), found[kind]):
                    measured.add(meter, way, server.url, run.seconds)
    _report(run, floor, found)


def _report(run: Run, floor: Measured, found: dict[Kind, tuple[Measured, Measured]]) -> None:
    table = Table(
        f"Servers: single tasks by {CLIENTS} clients, tasks a second",
        ["server", "how", "claim + complete", "share", "complete with claim", "share"],
        note="Share: of what the same statements reach without HTTP. Apache's Python is the "
        "system's.",
    )
    spent = Table(
        "Processor time of a claim and a complete, milliseconds",
        ["server", "clients", "server", "database", "together"],
    )
    table.add("none: statements alone", "", floor.rate, 1.0, floor.rate, 1.0)
    spent.add("none: statements alone", *floor.spent, floor.spent.total)
    for kind in KINDS:
        if kind not in found:
            table.add(kind.name, kind.how, f"not measured: {kind.missing()}", "", "", "")
            continue
        single, fold = found[kind]
        shares = (single.rate / floor.rate, fold.rate / floor.rate)
        table.add(kind.name, kind.how, single.rate, shares[0], fold.rate, shares[1])
        spent.add(kind.name, *single.spent, single.spent.total)
    run.report.table(table)
    run.report.table(spent)
