"""Other queues beside two worker.py, over no-ops, in turn in the same run."""

from __future__ import annotations

import statistics

from bench.peers.environment import CannotInstall, python_with, versions
from bench.peers.queues import MANY, PEERS, Peer, drain
from bench.report import Table, number
from bench.run import Run
from bench.scenarios.drain import drain as drain_by_workers
from bench.servers import BEST
from bench.work import NO_OP

OWN = "TaskManager"
TIMES_THE_BEST = 5


def measure(run: Run) -> None:
    rates: dict[str, list[float]] = {OWN: []}
    problems: dict[str, str] = {}
    with run.queues("peers") as queues:
        queues[0].register(NO_OP)
        for _ in range(run.count(1, 1, full=2)):
            rates[OWN].append(drain_by_workers(queues[0], run.count(MANY, 100), 2).rate)
            for peer in PEERS:
                if peer.name in problems:
                    continue
                run.report.say(f"({peer.name} …)")
                try:
                    rates.setdefault(peer.name, []).append(_drain(run, peer))
                except (CannotInstall, RuntimeError) as error:
                    problems[peer.name] = " ".join(str(error).split())
    _report(run, rates, problems)


def _drain(run: Run, peer: Peer) -> float:
    return drain(peer, run.mariadb, run.count(peer.tasks, 100))


def _report(run: Run, rates: dict[str, list[float]], problems: dict[str, str]) -> None:
    table = Table(
        "Other queues: draining no-ops, tasks a second",
        ["queue", "how", "versions", "tasks", "tasks a second", "x", "wins"],
        note="x is how many times as fast two worker.py are, over HTTP.",
    )
    medians = {name: statistics.median(each) for name, each in rates.items() if each}
    own = medians[OWN]
    table.add(OWN, f"MariaDB, {BEST.name}, two worker.py over HTTP", "this one", MANY, own, 1.0, "")
    for peer in PEERS:
        if peer.name in problems:
            reason = problems[peer.name]
            run.report.say(f"{peer.name} could not be measured: {reason}")
            table.add(peer.name, peer.way, "", "", f"not measured: {reason[:160]}", "", "")
            continue
        rate = medians[peer.name]
        wins = f"{peer.name}, {number(rate / own)} times" if rate > own else OWN
        table.add(peer.name, peer.way, _versions(peer), peer.tasks, rate, own / rate, wins)
    run.report.table(table)
    run.report.bars("peers", "Draining no-ops", "tasks a second", medians)
    in_databases = [medians[peer.name] for peer in PEERS if _is_comparable(peer, medians)]
    if in_databases:
        times = own / max(in_databases)
        run.report.goal("x the best database queue", times, at_least=TIMES_THE_BEST)


def _is_comparable(peer: Peer, medians: dict[str, float]) -> bool:
    """On a database server, as TaskManager was."""
    return peer.name in medians and peer.way.startswith("MariaDB")


def _versions(peer: Peer) -> str:
    return versions(python_with(peer.packages), peer.packages[:1])
