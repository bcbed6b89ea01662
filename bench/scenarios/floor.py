"""How much of the database's own speed is left over HTTP: the same statements by PyMySQL alone are
the floor, in turn with the API on the same tables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench import data
from bench.clients import Work, rate
from bench.floors import raw_sql, same_sql
from bench.report import Table
from bench.run import Run
from bench.ways import WAYS

PENDING = 200_000
CLIENTS = (1, 8)

Statements = Callable[[same_sql.Packets], Work]

PAIRS: dict[str, tuple[str, Statements, float]] = {
    "claim + complete, own statements": (
        "its own statements, recorded",
        lambda packets: partial(same_sql.singly, packets),
        0.5,
    ),
    "claim + complete": ("the fewest statements", lambda _: raw_sql.singly, 0.0),
    "complete with claim": ("the fewest statements", lambda _: raw_sql.singly, 0.0),
    "batches of 50": ("the fewest, a pair a task", lambda _: raw_sql.in_fifties, 0.0),
    "batches of 50, grouped floor": (
        "the fewest, a pair for all",
        lambda _: raw_sql.in_fifties_grouped,
        0.6,
    ),
}


def measure(run: Run) -> None:
    table = Table(
        "Share of the raw-SQL floor, tasks a second",
        ["way", "clients", "over HTTP", "floor", "share", "the floor is"],
    )
    with run.queues("floor") as queues:
        queue = queues[0]
        same_sql.use_long_ids(queue)
        data.types(queue, 1, 1)
        raw = raw_sql.address(run.mariadb, queue.database)
        for clients in CLIENTS:
            data.pending(queue, run.count(PENDING, 5000))
            data.settle_down(queue)
            packets = same_sql.record(queue)
            for way, (floor, statements, goal) in PAIRS.items():
                work = WAYS[way.partition(",")[0]]
                found = run.interleaved(
                    {
                        "http": partial(rate, work, queue.url, clients, run.seconds),
                        "floor": partial(rate, statements(packets), raw, clients, run.seconds),
                    },
                    rounds=run.count(2, 1),
                )
                share = found["http"] / found["floor"]
                table.add(way, clients, found["http"], found["floor"], share, floor)
                if goal and clients == max(CLIENTS):
                    run.report.goal(f"{way}, {clients} clients: share", share, at_least=goal)
    run.report.table(table)
