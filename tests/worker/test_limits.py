"""Limits: time, memory, runs, and a handler's word that nothing works any more."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.server import PROJECT
from tests.worker.support import Queue, Workers, finish

HANG = """
@task('t.hang')
def hang(params, job):
    open('began', 'w').close()
    while not job.cancelled:
        time.sleep(0.02)
"""
REASON = """
@on("stopped")
def note(told):
    print("because of", told["reason"])
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_max_time_ends_an_idle_worker(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HANG + REASON)
    queue.register("t.hang")
    code, output = workers.run("--max-time", "5", "--poll-interval", "3600")
    assert code == 0
    assert "because of max_time" in output


def test_max_time_fails_what_had_most_of_it_and_releases_what_had_less(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        HANG,
        """
        @task("t.first")
        def first(params, job):
            time.sleep(3.6)
            job.enqueue("t.hang")
            hang(params, job)
        """,
    )
    queue.register("t.first")
    queue.register("t.hang")
    first = queue.create("t.first")
    options = ("--max-time", "10", "--concurrency", "2", "--poll-interval", "0.1")
    code, output = workers.run(*options, "--max-poll-interval", "0.1")
    assert code == 0
    assert "claimed 2, completed 0, failed 1, released 1, lost 0" in output
    failed, (released,) = queue.task(first), queue.of_type("t.hang")
    assert (failed["status"], queue.attempts_left(first)) == ("pending", 2)
    assert failed["error_message"].startswith("not finished within --max-time: stopped after")
    assert (released["status"], queue.attempts_left(released["id"])) == ("pending", 3)


def test_nothing_is_begun_that_takes_longer_than_the_time_left(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.slow")
        def f(params):
            open(f"began-{params['number']}", "w").close()
            time.sleep(6.5)
        """
    )
    queue.register("t.slow")
    ids = queue.create_many("t.slow", 3)
    code, output = workers.run("--max-time", "12", "--batch", "3")
    assert code == 0
    assert "claimed 3, completed 1, failed 0, released 2, lost 0" in output
    assert queue.statuses(ids) == ["completed", "pending", "pending"]
    assert [each.name for each in workers.folder.glob("began-*")] == ["began-0"]


def test_max_memory_ends_a_worker_that_has_grown(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        REASON,
        """
        kept = []


        @task("t.grow")
        def f(params):
            kept.append(b"x" * (200 << 20) if params["number"] == 1 else b"")
        """,
    )
    queue.register("t.grow")
    ids = queue.create_many("t.grow", 4)
    code, output = workers.run("--max-memory", "150M", "--batch", "4")
    assert code == 0
    assert "because of max_memory" in output
    assert queue.statuses(ids) == ["completed", "completed", "pending", "pending"]
    assert [queue.attempts_left(each) for each in ids] == [2, 2, 3, 3]


def test_max_memory_replaces_a_process_that_has_grown(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        kept = []


        @task("t.grow")
        def f(params):
            kept.append(b"x" * (200 << 20) if params["number"] == 1 else b"")
            return os.getpid()
        """
    )
    queue.register("t.grow")
    ids = queue.create_many("t.grow", 4)
    assert workers.run("--max-memory", "150M", "--processes", "--until-empty")[0] == 0
    one, two, three, four = (queue.task(each)["result"] for each in ids)
    assert one == two != three == four


def test_max_runs_is_exact_with_several_at_once(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.one")
        def f(params):
            time.sleep(0.01)
        """
    )
    queue.register("t.one")
    ids = queue.create_many("t.one", 12)
    code, output = workers.run("--max-runs", "7", "--concurrency", "3")
    assert code == 0
    assert "claimed 7, completed 7, failed 0, released 0, lost 0" in output
    assert sorted(queue.statuses(ids)) == ["completed"] * 7 + ["pending"] * 5


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_a_fatal_error_ends_the_worker_with_4(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(
        REASON,
        """
        @task("t.disk")
        def f(params):
            if params["number"] == 1:
                raise FatalError("no space left")
        """,
    )
    queue.register("t.disk")
    ids = queue.create_many("t.disk", 4)
    code, output = workers.run("--batch", "4", *options)
    assert code == 4
    assert "because of fatal error" in output
    assert "claimed 4, completed 1, failed 1, released 2, lost 0" in output
    failed = queue.task(ids[1])
    assert failed["status"] == "pending"
    assert failed["error_message"] == "no space left"
    assert [queue.attempts_left(each) for each in ids] == [2, 2, 3, 3]


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_what_outlives_the_shutdown_timeout_is_released(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(
        """
        @task("t.deaf")
        def f(params):
            open("began", "w").close()
            time.sleep(3600)
        """
    )
    queue.register("t.deaf")
    task_id = queue.create("t.deaf")
    worker = workers.start("--shutdown-timeout", "0.3", *options)
    workers.wait_for_file("began")
    worker.terminate()
    code, output = finish(worker)
    assert code == 0
    assert "claimed 1, completed 0, failed 0, released 1, lost 0" in output
    assert queue.statuses([task_id]) == ["pending"]
    assert queue.attempts_left(task_id) == 3


def test_until_empty_waits_for_what_runs(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        REASON,
        """
        @task("t.parent")
        def f(params, job):
            time.sleep(0.5)
            if params["depth"]:
                job.enqueue("t.parent", {"depth": params["depth"] - 1})
        """,
    )
    queue.register("t.parent")
    queue.create("t.parent", {"depth": 2})
    options = ("--until-empty", "--concurrency", "2", "--poll-interval", "0.1")
    code, output = workers.run(*options)
    assert code == 0
    assert "because of empty" in output
    assert [each["status"] for each in queue.of_type("t.parent")] == ["completed"] * 3


def timed(workers: Workers, *options: str) -> tuple[int, str, float]:
    """Exit code, output and seconds of a run, from before its process began to after its end."""
    began = time.monotonic()
    code, output = workers.run(*options)
    return code, output, time.monotonic() - began


def test_max_time_counts_the_imports_of_the_handlers(queue: Queue, workers: Workers) -> None:
    workers.write_handlers("time.sleep(6)", HANG)
    queue.register("t.hang")
    task_id = queue.create("t.hang")
    code, output, seconds = timed(workers, "--max-time", "14")
    assert (code, "released 1" in output) == (0, True), output
    assert queue.attempts_left(task_id) == 3
    assert seconds < 14 + 3  # 20 and more, if it counted from the end of the imports


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("time.sleep(3600)\n", "--max-time is over, and this worker did not end"),
        # Holds the interpreter's lock: no other thread of Python runs.
        ("import re\nre.match('(a+)+$', 'a' * 60 + 'b')\n", "Timeout (0:00:0"),
    ],
    ids=["an import", "C code"],
)
def test_max_time_ends_what_hangs(workers: Workers, source: str, said: str) -> None:
    workers.write_handlers(source + HANG)
    code, output, seconds = timed(workers, "--max-time", "4")
    assert code == 1
    assert said in output
    assert 3 < seconds < 4 + 2


def test_max_time_ends_a_worker_whose_server_is_silent(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HANG)
    queue.register("t.hang")
    queue.create("t.hang")

    def fault(_proxy: HttpProxy, call: ProxiedCall) -> str:
        if not call.path.endswith(("/health", "/claim")):
            time.sleep(20)
        return "pass"

    with HttpProxy(queue.url, fault) as proxy:
        began = time.monotonic()
        code, output = workers.run("--max-time", "6", url=proxy.url)
        seconds = time.monotonic() - began
    assert code == 1
    assert "no answer in time" in output or "--max-time is over" in output
    assert seconds < 6 + 2


def test_a_task_whose_process_is_still_loading_is_given_back(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        import multiprocessing

        if multiprocessing.parent_process():
            time.sleep(3600)
        """,
        HANG,
    )
    queue.register("t.hang", max_attempts=1)
    task_id = queue.create("t.hang")
    code, output = workers.run("--max-time", "6", "--processes")
    assert code == 0
    assert "claimed 1, completed 0, failed 0, released 1, lost 0" in output
    assert (queue.statuses([task_id]), queue.attempts_left(task_id)) == (["pending"], 1)


def test_the_time_of_a_shell_before_it_does_not_count(queue: Queue, workers: Workers) -> None:
    """`sleep; exec worker.py` is one process, and older than the worker."""
    workers.write_handlers(
        """
        @task("t.quick")
        def f(params):
            return 1
        """
    )
    queue.register("t.quick")
    task_id = queue.create("t.quick")
    program = shlex.join([sys.executable, str(PROJECT / "worker.py")])
    command = f"sleep 12; exec {program} --max-time 12 --until-empty"
    env = {"TASKMANAGER_API_URL": queue.url, "TASKMANAGER_API_KEY": queue.key}
    options: dict[str, Any] = {"cwd": workers.folder, "env": {**os.environ, **env}, "timeout": 60}
    assert subprocess.run(["sh", "-c", command], check=False, **options).returncode == 0
    assert queue.statuses([task_id]) == ["completed"]
