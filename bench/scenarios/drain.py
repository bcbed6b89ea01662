"""Draining a queue of no-ops by worker.py as it comes: one of them, and two side by side."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from bench.queues import Queue
from bench.report import Table
from bench.run import Run
from bench.work import HANDLERS, NO_OP, create_no_ops, finish, rate, start_worker

TASKS = 10_000


def measure(run: Run) -> None:
    tasks = run.count(TASKS, 100)
    table = Table(
        f"Draining {tasks:,} no-ops by worker.py, tasks a second", ["workers", *run.columns("rate")]
    )
    with run.queues("drain") as queues:
        for queue in queues:
            queue.register(NO_OP)
        for workers in (1, 2):
            cases = {queue.version.name: partial(drain, queue, tasks, workers) for queue in queues}
            table.add(workers, *run.cells(list(run.interleaved(cases).values())))
    run.report.table(table)


def drain(queue: Queue, tasks: int, workers: int) -> float:
    """Tasks a second, from the first task to the last."""
    program = [str(queue.version.folder / "worker.py"), "--handlers", "handlers.py"]
    with tempfile.TemporaryDirectory(prefix="tm-bench-") as name:
        folder = Path(name)
        (folder / "handlers.py").write_text(HANDLERS, "utf-8")
        create_no_ops(queue.client.post, tasks, folder)
        started = [
            start_worker(queue.url, folder, [*program, "--until-empty"]) for _ in range(workers)
        ]
        finish(started, tasks)
        return rate(folder, tasks)
