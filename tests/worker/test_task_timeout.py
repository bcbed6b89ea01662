"""Tasks that run too long: reported as failed, left behind, and unable to change anything later."""

from __future__ import annotations

import json

import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish, is_running

# The first outlives its time. Once it was reported, the second lets it end, late.
LATE = """
@task("t.late")
def late(params, job):
    open("began", "w").close()
    while not os.path.exists("open"):
        time.sleep(0.02)
    with open("ended", "w") as file:
        file.write(f"cancelled: {job.cancelled}\\n")
    raise FatalError("too late")


@task("t.after", timeout=60)
def after(params):
    while not os.path.exists("ended"):
        time.sleep(0.02)
    return "fine"
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_late_end_in_a_thread_changes_nothing(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(LATE)
    queue.register("t.late", max_attempts=1)
    queue.register("t.after")
    late, after = queue.create("t.late"), queue.create("t.after")
    worker = workers.start("--task-timeout", "0.3", "--until-empty")
    failed = queue.wait_for(late, "failed")
    assert failed["error_message"] == "timed out: not finished within 0.3 seconds"
    # The next one, which may run longer, has the place of the first.
    queue.wait_for(after, "claimed")
    workers.make_file("open")
    assert workers.wait_for_line("ended") == "cancelled: True"
    assert worker.wait(SECONDS) == 0
    assert queue.task(after)["result"] == "fine"
    ended = queue.task(late)
    assert (ended["status"], ended["result"], ended["attempts"]) == ("failed", None, 1)
    assert (queue.changes(late, "failed"), queue.changes(late, "completed")) == (1, 0)


def test_in_a_process_it_is_killed(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.hang", timeout=2)
        def hang(params, job):
            with open(f"pid-{job.attempt}", "w") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(3600 if job.attempt == 1 else 0)
            return os.getpid()


        @task("t.before")
        def before(params):
            return os.getpid()
        """
    )
    queue.register("t.hang", retry_delay=0.1, max_attempts=9)
    queue.register("t.before")
    before, hang = queue.create("t.before", priority=1), queue.create("t.hang")
    # What the decorator says wins over a limit that would never be reached.
    worker = workers.start("--task-timeout", "3600", "--processes", "--poll-interval", "0.1")
    done = queue.wait_for(hang, "completed")
    killed = json.loads(workers.wait_for_line("pid-1"))
    assert queue.task(before)["result"] == killed != done["result"]
    wait_until(lambda: not is_running(killed), SECONDS, "the late process to end")
    worker.terminate()
    code, output = finish(worker)
    assert code == 0
    assert "Failed: timed out: not finished within 2 seconds" in output


def test_the_time_of_a_process_begins_when_it_is_ready(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        time.sleep(1.5)


        @task("t.one")
        def f(params):
            return 1
        """
    )
    queue.register("t.one")
    task_id = queue.create("t.one")
    assert workers.run("--until-empty", "--processes", "--task-timeout", "1")[0] == 0
    assert queue.task(task_id)["status"] == "completed"


def test_a_handler_without_a_limit_may_be_slow_where_others_may_not(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.slow", timeout=0)
        def slow(params):
            time.sleep(0.5)
            return "slow"


        @task("t.short")
        def short(params):
            time.sleep(60)
        """
    )
    queue.register("t.slow")
    queue.register("t.short", max_attempts=1)
    slow, short = queue.create("t.slow"), queue.create("t.short")
    assert workers.run("--until-empty", TASK_TIMEOUT="0.2")[0] == 0
    assert (queue.task(slow)["result"], queue.task(short)["status"]) == ("slow", "failed")
