"""Quick tasks through one worker process: round trips a task, and tasks per second.

worker.py as it comes, beside workers that settle and claim one task at a time, in turn within each
round, on a queue that Apache serves through Passenger. Round trips are the lines of Apache's access
log; seconds go from the first claim in it to the last line.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.install.entry import PASSENGER
from bench.report import Table
from bench.run import Run
from bench.sites import ServedSite, serving_site
from bench.work import create_tasks, run_worker
from tests.support.server import PROJECT

TYPE = "bench.quick"
MOST_ROUND_TRIPS = 0.05  # a task
TASKS = {"usual": 1000, "quick": 40, "full": 2000}
MILLISECONDS = 1

HANDLERS = """
import time
from worker import task

@task("bench.quick")
def quick(params, job):
    time.sleep(params["seconds"])
"""

# The small Python worker of the examples, which settles and claims with one call; and the same
# with a call for each.
SMALL = """
import sys, time
sys.path.insert(0, {examples!r})
import simple_worker

simple_worker.HANDLERS = {{"bench.quick": lambda params, job: time.sleep(params["seconds"])}}
"""
SEPARATELY = """
class Worker(simple_worker.Worker):
    def settle(self, job, ending, report):
        self.insist("POST", f"/tasks/{job.id}/{ending}", {**job.identity, **report})
        self.count(job, ending, report)
        return self.claim()

simple_worker.Worker = Worker
"""
END = "sys.exit(simple_worker.main())\n"

SEPARATE_CALLS = "claim, complete: simple_worker.py, two calls"
WAYS = {
    "worker.py": [str(PROJECT / "worker.py"), "--handlers", "handlers.py"],
    "complete with claim: simple_worker.py": ["folded.py"],
    SEPARATE_CALLS: ["separately.py"],
}


@dataclass
class Trip:
    """What the access log tells of one worker's run."""

    calls: int
    seconds: float


def measure(run: Run) -> None:
    tasks = run.count(**TASKS)
    trips: dict[str, list[Trip]] = {way: [] for way in WAYS}
    temporary = tempfile.TemporaryDirectory(prefix="tm-bench-")
    with temporary as folder, serving_site(PASSENGER, "passenger", run.mariadb) as served:
        _write_workers(Path(folder))
        served.post("/task-types/register", {"name": TYPE, "version": "1", "param_schema": {}})
        for _ in range(run.rounds):
            for way in WAYS:
                trips[way].append(_trip(served, Path(folder), way, tasks))
    _report(run, trips, tasks)


def _write_workers(folder: Path) -> None:
    small = SMALL.format(examples=str(PROJECT / "examples" / "python"))
    (folder / "handlers.py").write_text(HANDLERS, "utf-8")
    (folder / "folded.py").write_text(small + END, "utf-8")
    (folder / "separately.py").write_text(small + SEPARATELY + END, "utf-8")


def _trip(served: ServedSite, folder: Path, way: str, tasks: int) -> Trip:
    """One worker over this many tasks. Raises RuntimeError unless it completes them all."""
    create_tasks(served.post, TYPE, tasks, {"seconds": MILLISECONDS / 1000})
    before = len(served.requests())
    run_worker(served.apache.url, folder, [*WAYS[way], "--until-empty"], tasks)
    requests = served.requests()[before:]
    times = [at for at, path in requests if not path.endswith(("/health", "register"))]
    return Trip(len(requests), max(times) - min(times))


def _report(run: Run, trips: dict[str, list[Trip]], tasks: int) -> None:
    table = Table(
        f"One worker process, {tasks} tasks of {MILLISECONDS} ms, under Passenger",
        ["worker", "round trips a task", "tasks a second", "x two calls"],
    )
    rates = {
        way: statistics.median(tasks / each.seconds for each in found)
        for way, found in trips.items()
    }
    for way, found in trips.items():
        round_trips = statistics.median(each.calls for each in found) / tasks
        table.add(way, f"{round_trips:.4f}", rates[way], rates[way] / rates[SEPARATE_CALLS])
    run.report.table(table)
    most = max(each.calls for each in trips["worker.py"]) / tasks
    run.report.goal("worker.py: round trips a task", most, at_most=MOST_ROUND_TRIPS)
