"""Draining a queue of no-ops by worker.py as it comes: one of them, and two side by side."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.processor import Spent, per_task
from bench.queues import Queue
from bench.report import Table
from bench.run import Run
from bench.work import HANDLERS, NO_OP, create_no_ops, finish, rate, start_worker

TASKS = 10_000


class Drained(NamedTuple):
    """Tasks a second from the first task to the last, and what each took."""

    rate: float
    spent: Spent


def measure(run: Run) -> None:
    tasks = run.count(TASKS, 100)
    table = Table(
        f"Draining {tasks:,} no-ops by worker.py, tasks a second", ["workers", *run.columns("rate")]
    )
    spent = Table(
        "Processor time a task, milliseconds",
        ["workers", "version", "worker.py", "server", "database", "together"],
        note="With the start of each worker.py, about a third of a second.",
    )
    with run.queues("drain") as queues:
        for queue in queues:
            queue.register(NO_OP)
        for workers in (1, 2):
            found: list[list[Drained]] = [[] for _ in queues]
            for _ in range(run.rounds):
                for queue, each in zip(queues, found):
                    each.append(drain(queue, tasks, workers))
            rates = [statistics.median(one.rate for one in each) for each in found]
            table.add(workers, *run.cells(rates))
            for queue, each in zip(queues, found):
                parts = Spent(*map(statistics.median, zip(*(one.spent for one in each))))
                spent.add(workers, queue.version.name, *parts, parts.total)
    run.report.table(table)
    run.report.table(spent)


def drain(queue: Queue, tasks: int, workers: int) -> Drained:
    program = [str(queue.version.folder / "worker.py"), "--handlers", "handlers.py"]
    with tempfile.TemporaryDirectory(prefix="tm-bench-") as name:
        folder = Path(name)
        (folder / "handlers.py").write_text(HANDLERS, "utf-8")
        create_no_ops(queue.client.post, tasks, folder)

        def work() -> float:
            started = [
                start_worker(queue.url, folder, [*program, "--until-empty"]) for _ in range(workers)
            ]
            finish(started, tasks)
            return rate(folder, tasks)

        found, seconds = queue.meter.measure(work)
        return Drained(found, per_task(seconds, tasks))
