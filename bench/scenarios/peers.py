"""Other queues beside two worker.py, over the same number of no-ops, in turn in the same run."""

from __future__ import annotations

import statistics

from bench.peers.environment import CannotInstall, python_with, versions
from bench.peers.queues import PEERS, Peer, drain
from bench.report import Table, number
from bench.run import Run
from bench.scenarios.drain import drain as drain_by_workers
from bench.work import NO_OP

TASKS = 3000
OWN = "TaskManager"
TIMES_THE_BEST = 5


def measure(run: Run) -> None:
    tasks = run.count(TASKS, 100)
    rates: dict[str, list[float]] = {OWN: []}
    problems: dict[str, str] = {}
    with run.queues("peers") as queues:
        queues[0].register(NO_OP)
        for _ in range(run.count(2, 1)):
            rates[OWN].append(drain_by_workers(queues[0], tasks, 2))
            for peer in PEERS:
                if peer.name in problems:
                    continue
                run.report.say(f"({peer.name} …)")
                try:
                    rates.setdefault(peer.name, []).append(drain(peer, run.mariadb, tasks))
                except (CannotInstall, RuntimeError) as error:
                    problems[peer.name] = " ".join(str(error).split())
    _report(run, rates, problems, tasks)


def _report(run: Run, rates: dict[str, list[float]], problems: dict[str, str], tasks: int) -> None:
    table = Table(
        f"Other queues: draining {tasks:,} no-ops, tasks a second",
        ["queue", "how", "versions", "tasks a second", "x", "wins"],
        note="x is how many times as fast two worker.py are, over HTTP.",
    )
    medians = {name: statistics.median(each) for name, each in rates.items() if each}
    own = medians[OWN]
    table.add(OWN, "MariaDB, gunicorn, two worker.py over HTTP", "this one", own, 1.0, "")
    for peer in PEERS:
        if peer.name in problems:
            reason = problems[peer.name]
            run.report.say(f"{peer.name} could not be measured: {reason}")
            table.add(peer.name, peer.way, "", f"not measured: {reason[:160]}", "", "")
            continue
        rate = medians[peer.name]
        wins = f"{peer.name}, {number(rate / own)} times" if rate > own else OWN
        table.add(peer.name, peer.way, _versions(peer), rate, own / rate, wins)
    run.report.table(table)
    run.report.bars("peers", f"Draining {tasks:,} no-ops", "tasks a second", medians)
    in_databases = [medians[peer.name] for peer in PEERS if _is_comparable(peer, medians)]
    if in_databases:
        times = own / max(in_databases)
        run.report.goal("x the best database queue", times, at_least=TIMES_THE_BEST)


def _is_comparable(peer: Peer, medians: dict[str, float]) -> bool:
    """On a database server, as TaskManager was."""
    return peer.name in medians and peer.way.startswith("MariaDB")


def _versions(peer: Peer) -> str:
    return versions(python_with(peer.packages), peer.packages[:1])
