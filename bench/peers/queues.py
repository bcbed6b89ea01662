"""The other queues: what each is installed from, filled by, and worked off by."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.peers.environment import python_with
from bench.work import rate
from tests.support.mariadb import PASSWORD, USER, MariaDB
from tests.support.net import HOST

PROGRAMS = Path(__file__).parent / "programs"
DATABASE = "tm_bench_peer"
SECONDS = 300


MANY, FEW = 10_000, 2000


class Peer(NamedTuple):
    """``fill`` and ``work`` are arguments for its Python; ``first`` prepares its tables. ``tasks``
    are as many as take some seconds.
    """

    name: str
    way: str
    packages: list[str]
    fill: list[str]
    work: list[str]
    first: list[str] = []  # noqa: RUF012
    variables: dict[str, str] = {}  # noqa: RUF012
    tasks: int = MANY


DJANGO = {"DJANGO_SETTINGS_MODULE": "django_settings"}
PEERS = (
    Peer(
        "dj-queue",
        "MariaDB, two processes of three threads, prefetch 50",
        ["dj-queue", "PyMySQL"],
        ["django_dj_queue.py"],
        ["-m", "django", "dj_queue"],
        ["-m", "django", "migrate", "--verbosity", "0"],
        {**DJANGO, "BENCH_PEER": "dj_queue"},
    ),
    Peer(
        "django-q2",
        "MariaDB by its ORM broker, two workers, 50 a fetch",
        ["django-q2", "PyMySQL"],
        ["django_q2.py"],
        ["-m", "django", "qcluster"],
        ["-m", "django", "migrate", "--verbosity", "0"],
        {**DJANGO, "BENCH_PEER": "django_q"},
        FEW,
    ),
    Peer(
        "Celery",
        "MariaDB by its SQLAlchemy transport, two processes",
        ["celery", "SQLAlchemy", "PyMySQL"],
        ["celery_tasks.py"],
        ["-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2", "-l", "ERROR"],
        tasks=FEW,
    ),
    Peer(
        "Huey, with fsync",
        "SQLite, two processes",
        ["huey"],
        ["huey_tasks.py"],
        ["huey_tasks.py", "work"],
        variables={"BENCH_FSYNC": "1"},
    ),
    Peer(
        "Huey, without fsync",
        "SQLite, two processes; a power cut may lose tasks",
        ["huey"],
        ["huey_tasks.py"],
        ["huey_tasks.py", "work"],
        variables={"BENCH_FSYNC": ""},
    ),
)


def drain(peer: Peer, mariadb: MariaDB, tasks: int) -> float:
    """Tasks a second, from the first task to the last.

    Raises CannotInstall, or RuntimeError with what its programs said.
    """
    python = str(python_with(peer.packages))
    mariadb.create_database(DATABASE)
    with tempfile.TemporaryDirectory(prefix="tm-bench-") as name:
        folder = Path(name)
        environment = {**os.environ, **_variables(mariadb, folder), **peer.variables}
        for arguments in (peer.first, [*peer.fill, str(tasks)]):
            if arguments:
                _finish([python, *arguments], environment)
        with (folder / "log").open("wb") as log:
            worker = subprocess.Popen(
                [python, *peer.work],
                cwd=PROGRAMS,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(folder, worker)
        finally:
            _end(worker)
        return rate(folder, tasks)


def _variables(mariadb: MariaDB, folder: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(PROGRAMS),
        "BENCH_HOST": HOST,
        "BENCH_PORT": str(mariadb.port),
        "BENCH_USER": USER,
        "BENCH_PASSWORD": PASSWORD,
        "BENCH_NAME": DATABASE,
        "BENCH_URL": mariadb.url(DATABASE),
        "BENCH_FOLDER": str(folder),
    }


def _finish(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=PROGRAMS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip()[-600:])


def _wait(folder: Path, worker: subprocess.Popen[bytes]) -> None:
    """Until the last task has run."""
    last = folder / "last"
    until = time.monotonic() + SECONDS
    while not (last.exists() and last.stat().st_size):
        if worker.poll() is not None or time.monotonic() > until:
            log = (folder / "log").read_text("utf-8", "replace")
            raise RuntimeError(f"it did not come to an end: {log[-600:]}")
        time.sleep(0.05)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """The worker and the processes it has started, which are all in its session."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(worker.pid, signum)
            worker.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
