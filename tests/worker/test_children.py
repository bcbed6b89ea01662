"""What handlers start ends with their worker, however that ends."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish, is_running

# A program, and a process of the module multiprocessing, which start with the handler.
START = """
import multiprocessing, subprocess


@task("t.start")
def start(params):
    program = subprocess.Popen(["sleep", "3600"])
    process = multiprocessing.get_context("fork").Process(
        target=time.sleep, args=(3600,)
    )
    if not multiprocessing.current_process().daemon:
        process.start()
    with open("pids", "w") as file:
        file.write(f"{program.pid} {process.pid or program.pid}\\n")
    if params["seconds"]:
        time.sleep(params["seconds"])
    return [program.pid, process.pid]
"""
MODES = pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def begin(
    queue: Queue, workers: Workers, seconds: float, *options: str
) -> tuple[subprocess.Popen[str], list[int]]:
    """A worker in a task that has started others, and these."""
    workers.write_handlers(START)
    queue.register("t.start")
    queue.create("t.start", {"seconds": seconds})
    worker = workers.start(*options)
    return worker, [int(pid) for pid in workers.wait_for_line("pids").split()]


def wait_for_end(pids: list[int]) -> None:
    wait_until(lambda: not any(map(is_running, pids)), SECONDS, "what was started to end")


@MODES
def test_with_the_end_of_its_work(queue: Queue, workers: Workers, options: tuple[str, ...]) -> None:
    worker, pids = begin(queue, workers, 0, "--max-runs", "1", *options)
    code, output = finish(worker)
    assert (code, "completed 1" in output) == (0, True), output
    wait_for_end(pids)


@MODES
def test_when_it_is_stopped_and_does_not_wait(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    worker, pids = begin(queue, workers, 3600, "--shutdown-timeout", "0.2", *options)
    worker.terminate()
    code, output = finish(worker)
    assert (code, "released 1" in output) == (0, True), output
    wait_for_end(pids)


def test_when_it_is_killed_with_processes(queue: Queue, workers: Workers) -> None:
    worker, pids = begin(queue, workers, 3600, "--processes")
    worker.kill()
    wait_for_end(pids)


def test_what_was_forked_ends_when_a_worker_with_threads_is_killed(
    queue: Queue, workers: Workers
) -> None:
    worker, (program, process) = begin(queue, workers, 3600)
    worker.kill()
    wait_for_end([process])
    assert is_running(program)  # a program of its own, of which nobody is left who knows
    subprocess.run(["kill", str(program)], check=True)


def test_with_a_handler_whose_time_is_up(queue: Queue, workers: Workers) -> None:
    worker, pids = begin(queue, workers, 3600, "--processes", "--task-timeout", "1")
    wait_for_end(pids)
    worker.send_signal(signal.SIGTERM)
    assert finish(worker)[0] == 0


@MODES
def test_a_session_of_its_own_lives_on(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(
        """
        import subprocess


        @task("t.daemon")
        def f(params):
            nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            return subprocess.Popen(["sleep", "3600"], start_new_session=True, **nowhere).pid
        """
    )
    queue.register("t.daemon")
    task_id = queue.create("t.daemon")
    assert workers.run("--until-empty", *options)[0] == 0
    pid = queue.task(task_id)["result"]
    assert is_running(pid)
    subprocess.run(["kill", str(pid)], check=True)


def test_a_pool_of_processes_can_be_ended(queue: Queue, workers: Workers) -> None:
    """Its processes take SIGTERM as other programs do, though the worker waits for its tasks."""
    workers.write_handlers(
        """
        import multiprocessing


        @task("t.pool")
        def f(params):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                return pool.map(abs, [-1, -2, 3])
        """
    )
    queue.register("t.pool")
    ids = queue.create_many("t.pool", 2)
    code, output = workers.run("--until-empty")
    assert (code, "stopping" in output) == (0, False), output
    assert [queue.task(each)["result"] for each in ids] == [[1, 2, 3]] * 2


def test_the_death_of_a_handler_that_has_forked_is_noticed(queue: Queue, workers: Workers) -> None:
    """What it forked holds the pipe to the worker open."""
    workers.write_handlers(
        """
        @task("t.dies")
        def f(params, job):
            if job.attempt == 1:
                if os.fork():
                    os._exit(3)
                time.sleep(3600)
        """
    )
    queue.register("t.dies", retry_delay=0.1)
    task_id = queue.create("t.dies")
    code, output = workers.run("--processes", "--max-runs", "2", "--poll-interval", "0.1")
    assert code == 0
    assert "Failed: the handler's process died (exit code 3)" in output
    assert queue.statuses([task_id]) == ["completed"]


@pytest.mark.parametrize("died", ["loading", "idle"])
def test_a_task_that_no_process_began_is_no_attempt(
    queue: Queue, workers: Workers, died: str
) -> None:
    die_once = """
        import multiprocessing

        if multiprocessing.parent_process() and not os.path.exists("well"):
            open("well", "w").close()
            os._exit(7)
        """
    workers.write_handlers(
        die_once if died == "loading" else "",
        """
        @task("t.pid")
        def f(params):
            return os.getpid()
        """,
    )
    queue.register("t.pid", max_attempts=1)
    first = queue.create("t.pid")
    worker = workers.start("--processes", "--poll-interval", "0.1", "--max-poll-interval", "0.1")
    if died == "idle":
        queue.wait_for(first, "completed")
        pid = queue.task(first)["result"]
        subprocess.run(["kill", "-9", str(pid)], check=True)
        wait_until(lambda: not is_running(pid), SECONDS, "the process to end")
    second = queue.create("t.pid")
    queue.wait_for(first, "completed")
    queue.wait_for(second, "completed")
    worker.terminate()
    code, output = finish(worker)
    assert (code, "failed 0" in output) == (0, True), output
    if died == "loading":
        assert "its process did not begin it (exit code 7)" in output
        assert "released 1" in output


def test_processes_that_never_start_end_the_worker_with_4(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        import multiprocessing

        if multiprocessing.parent_process():
            os._exit(7)


        @task("t.none")
        def f(params):
            return 1
        """
    )
    queue.register("t.none", max_attempts=1)
    ids = queue.create_many("t.none", 4)
    code, output = workers.run("--processes", "--max-errors", "2", "--poll-interval", "0.1")
    assert code == 4
    assert output.count("its process did not begin it (exit code 7)") == 2
    assert queue.statuses(ids) == ["pending"] * 4
    assert [queue.attempts_left(each) for each in ids] == [1] * 4
