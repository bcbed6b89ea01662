"""Handlers in processes of their own: at once, killed, and talking across the border."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.support.net import wait_until
from tests.worker import functions
from tests.worker.support import SECONDS, Queue, Workers, finish, is_running
from worker import Client, Worker

# Two of them keep a processor busy each until they have met.
BUSY = """
@task('t.busy')
def f(params, job):
    open(f"here-{params['number']}", 'w').close()
    deadline = time.monotonic() + 60
    while sum(name.startswith('here-') for name in os.listdir()) < 2:
        if time.monotonic() > deadline:
            raise PermanentError('alone')
    return [os.getpid(), os.getppid()]
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_tasks_run_at_once_in_other_processes(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(BUSY)
    queue.register("t.busy")
    ids = queue.create_many("t.busy", 5)
    worker = workers.start("--concurrency", "2", "--processes", "--until-empty")
    assert finish(worker)[0] == 0
    places = [tuple(queue.task(each)["result"]) for each in ids]
    assert {parent for _, parent in places} == {worker.pid}
    # A process each, and the same ones for all tasks.
    assert len(set(places)) == 2
    assert worker.pid not in {process for process, _ in places}


def test_a_killed_handler_fails_its_attempt_and_nothing_else(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.dies")
        def f(params, job):
            if job.attempt == 1 and params["number"] == 0:
                os.kill(os.getpid(), 9)
            if job.attempt == 1 and params["number"] == 1:
                os._exit(3)
            return [job.attempt, params["number"]]
        """
    )
    queue.register("t.dies", retry_delay=0.1)
    ids = queue.create_many("t.dies", 3)
    options = ("--processes", "--max-runs", "5", "--poll-interval", "0.1")
    code, output = workers.run(*options)
    assert code == 0
    assert "completed 3, failed 2, released 0, lost 0" in output
    assert "Failed: the handler's process died (signal 9)" in output
    assert "Failed: the handler's process died (exit code 3)" in output
    assert [queue.task(each)["result"] for each in ids] == [[2, 0], [2, 1], [1, 2]]


def test_a_job_works_across_the_border(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.border")
        def f(params, job):
            job.progress(30, "a third")
            job.log("a word from there")
            job.extend(5000)
            made = job.enqueue("t.child", {"parent": job.id})
            while not job.cancelled:
                time.sleep(0.02)
            return [made["id"], job.worker_id, job.attempt, job.max_attempts]
        """
    )
    queue.register("t.border", timeout=30, max_attempts=7)
    queue.register("t.child")
    task_id = queue.create("t.border")
    options = ("--processes", "--until-empty", "--worker-id", "w1", "--heartbeat-interval", "0.2")
    worker = workers.start(*options)
    queue.wait_for_progress(task_id)
    seen = queue.task(task_id)
    assert (seen["progress"], seen["progress_message"]) == (30, "a third")
    wait_until(
        lambda: queue.lease_of(task_id) > 4000, SECONDS, "the lease to be as long as asked for"
    )
    assert queue.server.call("POST", f"/tasks/{task_id}/cancel", {})[0] == 200
    code, output = finish(worker)
    assert code == 0
    assert f"INFO task {task_id} t.border: a word from there" in output
    child_id, *rest = queue.task(task_id)["result"]
    assert rest == ["w1", 1, 7]
    assert queue.task(child_id)["params"] == {"parent": task_id}


def test_errors_keep_their_meaning(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.error")
        def f(params):
            raise [PermanentError("never"), RetryLater(5000), KeyError("x")][params["number"]]
        """
    )
    queue.register("t.error")
    ids = queue.create_many("t.error", 3)
    assert workers.run("--processes", "--max-runs", "3")[0] == 0
    never, later, other = (queue.task(each) for each in ids)
    assert (never["status"], never["error_message"]) == ("failed", "never")
    assert (later["status"], later["error_message"]) == (
        "pending",
        "to be tried again in 5000 seconds",
    )
    assert (other["status"], other["error_message"]) == ("pending", "KeyError: 'x'")
    assert "KeyError" in other["error_traceback"]


def test_a_program_gives_functions_of_a_module(queue: Queue) -> None:
    queue.register("t.function")
    ids = queue.create_many("t.function", 3)
    client = Client(queue.url, queue.key)
    handlers = {"t.function": functions.process_id}
    counters = Worker(client, handlers, processes=True, until_empty=True).run()
    assert (counters.completed, counters.failed) == (3, 0)
    results = [queue.task(each)["result"] for each in ids]
    assert [doubled for _, _, doubled in results] == [0, 2, 4]
    assert {parent for _, parent, _ in results} == {os.getpid()}
    processes = [process for process, _, _ in results]
    wait_until(lambda: not any(map(is_running, processes)), SECONDS, "its processes to end")


def test_processes_end_with_a_killed_worker(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.hang")
        def f(params):
            with open(f"pid-{params['number']}", "w") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(3600)
        """
    )
    queue.register("t.hang")
    queue.create_many("t.hang", 2)
    worker = workers.start("--processes", "--concurrency", "2")
    pids = [json.loads(workers.wait_for_line(f"pid-{number}")) for number in range(2)]
    assert all(is_running(pid) for pid in pids)
    worker.kill()
    wait_until(
        lambda: not any(is_running(pid) for pid in pids), SECONDS, "the handlers' processes to end"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_lets_the_task_end(
    queue: Queue, workers: Workers, number: signal.Signals
) -> None:
    """As a terminal's Ctrl-C and systemd send it."""
    workers.write_handlers(
        """
        @task("t.gate")
        def f(params, job):
            with open("pid", "w") as file:
                file.write(f"{os.getpid()}\\n")
            while not job.stopping:
                time.sleep(0.02)
            return "done"
        """
    )
    queue.register("t.gate")
    task_id = queue.create("t.gate")
    worker = workers.start("--processes")
    os.kill(int(workers.wait_for_line("pid")), number)
    worker.send_signal(number)
    assert finish(worker)[0] == 0
    assert queue.task(task_id)["result"] == "done"
