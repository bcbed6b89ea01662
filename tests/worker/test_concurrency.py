"""Several tasks at once, in threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers
from worker import Client, Worker

# Ends only when four of them run at the same time.
MEET = """
@task('t.meet')
def f(params, job):
    open(f"here-{params['number']}", 'w').close()
    deadline = time.monotonic() + 60
    while sum(name.startswith('here-') for name in os.listdir()) < 4:
        if time.monotonic() > deadline:
            raise PermanentError('alone')
        time.sleep(0.02)
    return {'number': params['number'], 'pid': os.getpid()}
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_tasks_run_at_once(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(MEET)
    queue.register("t.meet")
    ids = queue.create_many("t.meet", 4)
    worker = workers.start("--concurrency", "4", "--until-empty")
    assert worker.wait(SECONDS) == 0
    results = [queue.task(each)["result"] for each in ids]
    assert [result["number"] for result in results] == [0, 1, 2, 3]
    assert {result["pid"] for result in results} == {worker.pid}
    assert [queue.changes(each, "claimed") for each in ids] == [1] * 4


def test_never_more_at_once_than_wanted(queue: Queue) -> None:
    queue.register("t.many")
    ids = queue.create_many("t.many", 12)
    three_meet = threading.Barrier(3)
    lock = threading.Lock()
    running: list[int] = []
    counts: list[int] = []

    def handler(params: Any) -> Any:
        with lock:
            running.append(params["number"])
            counts.append(len(running))
        three_meet.wait(SECONDS)
        with lock:
            running.remove(params["number"])
        return params["number"]

    client = Client(queue.url, queue.key)
    # More are held than run.
    counters = Worker(client, {"t.many": handler}, concurrency=3, batch=12, until_empty=True).run()
    assert (counters.completed, counters.failed) == (12, 0)
    assert max(counts) == 3
    assert [queue.task(each)["result"] for each in ids] == list(range(12))


def test_a_slow_task_does_not_hold_up_the_others(queue: Queue) -> None:
    queue.register("t.gate")
    slow, *quick = queue.create_many("t.gate", 6)
    gate = threading.Event()

    def handler(params: Any) -> None:
        if params["number"] == 0:
            assert gate.wait(SECONDS)

    client = Client(queue.url, queue.key)
    worker = Worker(client, {"t.gate": handler}, concurrency=2, until_empty=True)
    worker.start()
    wait_until(
        lambda: queue.statuses(quick) == ["completed"] * 5, SECONDS, "the quick ones to be reported"
    )
    assert (queue.task(slow)["status"], worker.active_jobs) == ("claimed", 1)
    gate.set()
    assert worker.wait(SECONDS)
    assert queue.task(slow)["status"] == "completed"
    assert worker.active_jobs == 0
