"""One run of worker.py as cron starts it, on a site where each request starts a new Python."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.install.entry import CGI
from bench.report import Table
from bench.run import Run
from bench.sites import serving_site
from bench.work import HANDLERS, NO_OP, create_tasks, run_worker
from tests.support.server import PROJECT

TASKS = 200
ROUNDS = 3


def measure(run: Run) -> None:
    tasks = run.count(TASKS, 20)
    table = Table(
        f"A cron run of {tasks} no-ops under CGI, worker.py --until-empty --max-time 55 --lock",
        ["version", "requests", "seconds", "tasks a second"],
        note="Seconds are those of the whole program, its own start included.",
    )
    command = [str(PROJECT / "worker.py"), "--handlers", "handlers.py"]
    for version in run.versions:
        command[0] = str(version.folder / "worker.py")
        temporary = tempfile.TemporaryDirectory(prefix="tm-bench-")
        with temporary as folder, serving_site(CGI, "cgi", run.mariadb, version) as served:
            (Path(folder) / "handlers.py").write_text(HANDLERS, "utf-8")
            served.post("/task-types/register", {"name": NO_OP, "version": "1", "param_schema": {}})
            best = (0, float("inf"))
            for _ in range(run.count(ROUNDS, 1)):
                create_tasks(served.post, NO_OP, tasks, {})
                before = len(served.requests())
                seconds = run_worker(
                    served.apache.url,
                    Path(folder),
                    [*command, "--until-empty", "--max-time", "55", "--lock"],
                    tasks,
                )
                best = min(
                    best, (len(served.requests()) - before, seconds), key=lambda each: each[1]
                )
        table.add(version.name, best[0], best[1], tasks / best[1])
    run.report.table(table)
