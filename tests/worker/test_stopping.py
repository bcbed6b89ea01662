"""Stopping a worker: politely by a signal, at once by a second one."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish

GATE = """
@task('t.gate')
def f(params, job):
    if params['number'] == 2:
        open('started', 'w').close()
        while not os.path.exists('open'):
            time.sleep(0.05)
    return params['number']
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def started_on_third(queue: Queue, workers: Workers) -> tuple[list[int], subprocess.Popen[str]]:
    """Eight tasks in one batch, and a worker that is in the middle of the third."""
    workers.write_handlers(GATE)
    queue.register("t.gate")
    ids = queue.create_many("t.gate", 8)
    worker = workers.start("--batch", "8")
    wait_until((workers.folder / "started").exists, SECONDS, "the third task to start")
    return ids, worker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_task_end_and_releases_the_rest(
    queue: Queue, workers: Workers, number: signal.Signals
) -> None:
    ids, worker = started_on_third(queue, workers)
    worker.send_signal(number)
    (workers.folder / "open").touch()
    code, output = finish(worker)
    assert code == 0
    assert "claimed 8, completed 3, failed 0, released 5, lost 0" in output
    assert queue.statuses(ids) == ["completed"] * 3 + ["pending"] * 5
    assert [queue.task(each)["result"] for each in ids[:3]] == [0, 1, 2]
    assert [queue.attempts_left(each) for each in ids[3:]] == [3] * 5
    assert [queue.changes(each, "claimed") for each in ids[:3]] == [1] * 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(
    queue: Queue, workers: Workers, number: signal.Signals, code: int
) -> None:
    _, worker = started_on_third(queue, workers)
    assert worker.stderr is not None
    worker.send_signal(number)
    while "stopping when" not in worker.stderr.readline():
        pass
    worker.send_signal(number)
    assert worker.wait(SECONDS) == code


def test_an_idle_worker_stops_in_the_middle_of_its_pause(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(GATE)
    queue.register("t.gate")
    worker = workers.start("--debug", "--poll-interval", "3600")
    assert worker.stderr is not None
    while "asking again in 3600 seconds" not in worker.stderr.readline():
        pass
    worker.terminate()
    assert finish(worker)[0] == 0


def test_a_keyboard_interrupt_in_a_handler_stops_the_worker(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.interrupt")
        def f(params):
            if params["number"] == 1:
                raise KeyboardInterrupt
        """
    )
    queue.register("t.interrupt")
    ids = queue.create_many("t.interrupt", 3)
    code, output = workers.run()
    assert code == 0
    assert "claimed 3, completed 1, failed 0, released 2, lost 0" in output
    assert queue.statuses(ids) == ["completed", "pending", "pending"]
    assert queue.attempts_left(ids[1]) == 3
