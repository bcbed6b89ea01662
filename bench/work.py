"""Workers at work: worker.py and others as processes, over tasks that were made for them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.server import API_KEY

BATCH = 1000
SECONDS = 300

Post = Callable[[str, dict[str, object]], object]

NO_OP = "bench.noop"

# The first and the last task say when they ran: so the start of a program does not count.
HANDLERS = """
import time
from worker import task

@task("bench.noop")
def noop(params, job):
    if params.get("mark"):
        with open(params["mark"], "w") as file:
            file.write(str(time.time()))
"""


def create_tasks(post: Post, kind: str, count: int, params: dict[str, object]) -> None:
    task = {"type": kind, "params": params, "dedupe": False}
    for start in range(0, count, BATCH):
        post("/tasks", {"tasks": [task] * min(BATCH, count - start)})


def create_no_ops(post: Post, count: int, folder: Path) -> None:
    """Tasks that do nothing; the first and the last leave the files that ``rate`` reads."""
    create_tasks(post, NO_OP, 1, {"mark": str(folder / "first")})
    create_tasks(post, NO_OP, count - 2, {})
    create_tasks(post, NO_OP, 1, {"mark": str(folder / "last")})


def rate(folder: Path, count: int) -> float:
    """Tasks a second from the first to the last."""
    first, last = (float((folder / name).read_text("utf-8")) for name in ("first", "last"))
    for name in ("first", "last"):
        (folder / name).unlink()
    return count / (last - first)


class StartedWorker(NamedTuple):
    """A worker at work, and the file that it writes its log to: a pipe that nobody reads for a
    while would stop it.
    """

    process: subprocess.Popen[bytes]
    log: Path


def start_worker(url: str, folder: Path, command: list[str]) -> StartedWorker:
    settings = {"TASKMANAGER_API_URL": url, "TASKMANAGER_API_KEY": API_KEY}
    number, name = tempfile.mkstemp(".log", dir=folder)
    with open(number, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return StartedWorker(process, Path(name))


def run_worker(url: str, folder: Path, command: list[str], tasks: int) -> float:
    """Seconds until it ended. Raises RuntimeError unless it completed so many tasks."""
    begun = time.monotonic()
    finish([start_worker(url, folder, command)], tasks)
    return time.monotonic() - begun


def finish(workers: list[StartedWorker], tasks: int) -> None:
    """Wait for all. Raises RuntimeError unless they completed so many tasks together."""
    codes = [worker.process.wait(SECONDS) for worker in workers]
    outputs = [worker.log.read_text("utf-8", "replace") for worker in workers]
    counts = [re.findall(r"completed (\d+), failed 0", output) for output in outputs]
    done = sum(int(each[-1]) for each in counts if each)
    if any(codes) or done != tasks:
        raise RuntimeError(f"completed {done} of {tasks}:\n" + "\n".join(outputs))
