"""Quick tasks through one worker process: round trips a task, and tasks per second.

    .venv-tests/bin/python -m bench.worker [--tasks 5000] [--rounds 3] [--milliseconds 1]

worker.py as it comes, beside workers that settle and claim one task at a time, in turn within each
round, on a queue in a private MariaDB that Apache serves through Passenger. Round trips are the
lines of Apache's access log; seconds go from the first claim in it to the last line.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.install.entry import PASSENGER
from tests.support.apache import Apache
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import MariaDB
from tests.support.server import API_KEY, PROJECT
from tests.support.site import INTERPRETER, InstalledSite

TYPE = "bench.quick"
BATCH = 1000
MOST_ROUND_TRIPS = 0.05  # a task

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

CLAIM_AND_COMPLETE = "claim, complete: simple_worker.py, two calls"
WAYS = {
    "worker.py": [str(PROJECT / "worker.py"), "--handlers", "handlers.py"],
    "complete with claim: simple_worker.py": ["folded.py"],
    CLAIM_AND_COMPLETE: ["separately.py"],
}


@dataclass
class Run:
    """What the access log tells of one worker's run."""

    calls: int
    seconds: float


class Bench:
    """A queue behind Apache, and a folder with the workers."""

    def __init__(self, apache: Apache, log: Path, folder: Path) -> None:
        self._apache, self._log, self._folder = apache, log, folder
        small = SMALL.format(examples=str(PROJECT / "examples" / "python"))
        (folder / "handlers.py").write_text(HANDLERS, "utf-8")
        (folder / "folded.py").write_text(small + END, "utf-8")
        (folder / "separately.py").write_text(small + SEPARATELY + END, "utf-8")
        self._post("/task-types/register", {"name": TYPE, "version": "1", "param_schema": {}})

    def run(self, way: str, tasks: int, seconds: float) -> Run:
        """One worker over this many tasks. Raises RuntimeError unless it completes them all."""
        self._fill(tasks, seconds)
        before = len(self._lines())
        done = subprocess.run(
            [sys.executable, *WAYS[way], "--until-empty"],
            cwd=self._folder,
            env={**os.environ, **self._settings()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or f"completed {tasks}, failed 0" not in done.stderr:
            raise RuntimeError(f"{way} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        lines = self._lines()[before:]
        times = [float(at) for at, path in lines if not path.endswith(("/health", "register"))]
        return Run(len(lines), max(times) - min(times))

    def _settings(self) -> dict[str, str]:
        return {"TASKMANAGER_API_URL": self._apache.url, "TASKMANAGER_API_KEY": API_KEY}

    def _fill(self, count: int, seconds: float) -> None:
        task = {"type": TYPE, "params": {"seconds": seconds}, "dedupe": False}
        for start in range(0, count, BATCH):
            self._post("/tasks", {"tasks": [task] * min(BATCH, count - start)})

    def _post(self, path: str, body: dict[str, object]) -> None:
        reply = self._apache.api("POST", path, body)
        if reply.status >= 300:
            raise RuntimeError(f"{path}: {reply!r}\n{self._apache.log()}")

    def _lines(self) -> list[tuple[float, str]]:
        """Seconds and path of each request so far."""
        lines = [line.split() for line in self._log.read_text("utf-8").splitlines()]
        return [(int(microseconds) / 1e6, path) for microseconds, path in lines]


def main() -> None:
    options = _options()
    database = MariaDB()
    database.start()
    try:
        site = InstalledSite(
            PASSENGER, "", {"DATABASE_URL": mariadb_with_tables(database, "tm_bench")}
        )
        try:
            _measure(site, database, options)
        finally:
            site.remove()
    finally:
        database.remove()


def _measure(site: InstalledSite, database: MariaDB, options: argparse.Namespace) -> None:
    log = site.root / "access.log"
    extra = f'{site.passenger_config()}\nCustomLog {log} "%{{usec}}t %U"'
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    apache = Apache(site.document_root, "passenger", extra=extra)
    with tempfile.TemporaryDirectory(prefix="tm-bench-") as folder, apache:
        bench = Bench(apache, log, Path(folder))
        for way in WAYS:
            bench.run(way, 100, 0.0)  # imports, connections: not counted
        for _ in range(options.rounds):
            for way in WAYS:
                runs[way].append(bench.run(way, options.tasks, options.milliseconds / 1000))
    report(runs, database, options)


def report(runs: dict[str, list[Run]], database: MariaDB, options: argparse.Namespace) -> None:
    """Medians of the rounds, and their ratios to two calls a task."""
    site_python = subprocess.check_output([INTERPRETER, "-V"], text=True).strip()
    print(
        f"{options.tasks} tasks of {options.milliseconds:g} ms a run, {options.rounds} interleaved "
        f"rounds, median. One worker process (Python {platform.python_version()}), Apache with "
        f"Passenger, 2 processes ({site_python}), MariaDB "
        f"{database.client('SELECT VERSION()').strip()} (durable defaults) over TCP, all on "
        f"{os.cpu_count()} cores of {platform.machine()}, load {os.getloadavg()[0]:.1f}\n"
    )
    rates = {way: [options.tasks / run.seconds for run in each] for way, each in runs.items()}
    floor = statistics.median(rates[CLAIM_AND_COMPLETE])
    print(f"{'':46}{'round trips/task':>18}{'tasks/s':>10}{'fastest':>9}{'ratio':>7}")
    for way, each in rates.items():
        trips = statistics.median(run.calls for run in runs[way]) / options.tasks
        rate = statistics.median(each)
        print(f"{way:46}{trips:18.4f}{rate:10.0f}{max(each):9.0f}{rate / floor:7.1f}")
    most = max(run.calls for run in runs["worker.py"]) / options.tasks
    verdict = "within" if most <= MOST_ROUND_TRIPS else "ABOVE"
    print(f"\nworker.py: at most {most:.4f} round trips a task, {verdict} {MOST_ROUND_TRIPS}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
