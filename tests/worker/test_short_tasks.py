"""Short tasks, of which a thread is given several at once: each is treated as if it were alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue
from worker import Client, FatalError, Worker

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

SHORT = 10
"""So many tasks show the worker that tasks are short; what happens then is with the next one."""


def worker_of(queue: Queue, handler: Callable[[Any], Any], **options: Any) -> Worker:
    client = Client(queue.url, queue.key)
    return Worker(client, {"t.short": handler}, until_empty=True, **options)


def tasks(queue: Queue, behind: int = 20) -> tuple[list[int], int, list[int]]:
    """Ids of short tasks, of the one behind them, and of those behind that."""
    queue.register("t.short", max_attempts=3, retry_delay=0)
    ids = queue.create_many("t.short", SHORT + 1 + behind)
    return ids[:SHORT], ids[SHORT], ids[SHORT + 1 :]


def test_they_run_in_their_order_and_once(queue: Queue) -> None:
    queue.register("t.short")
    ids = queue.create_many("t.short", 250)
    ran: list[int] = []
    threads = set()

    def handler(params: Any) -> Any:
        ran.append(params["number"])
        threads.add(threading.current_thread())
        return params["number"]

    counters = worker_of(queue, handler).run()
    assert ran == list(range(250))
    assert len(threads) == 1
    assert (counters.claimed, counters.completed, counters.released) == (250, 250, 0)
    assert [queue.task(each)["result"] for each in ids[::10]] == list(range(0, 250, 10))


def test_how_long_each_ran_is_its_own(queue: Queue) -> None:
    tasks(queue)
    worker = worker_of(queue, lambda params: time.sleep(0.03 if params["number"] == SHORT else 0))
    seconds: dict[int, float] = {}
    worker.on("job:completed", lambda told: seconds.update({told["job_id"]: told["seconds"]}))
    begun = time.monotonic()
    worker.run()
    # One after the other: what a task waited for others would be counted twice.
    assert sum(seconds.values()) <= time.monotonic() - begun
    ran = [seconds[each] for each in sorted(seconds)]
    assert ran[SHORT] >= 0.03
    assert all(each > 0 for each in ran)


def test_what_waits_behind_a_long_one_goes_to_another_thread(queue: Queue) -> None:
    before, long, behind = tasks(queue)
    all_others = threading.Event()
    ran: list[int] = []

    def handler(params: Any) -> bool:
        if params["number"] == SHORT:
            return all_others.wait(SECONDS)
        ran.append(params["number"])
        if len(ran) == len(before) + len(behind):
            all_others.set()
        return True

    counters = worker_of(queue, handler, concurrency=2).run()
    assert counters.completed == len(before) + 1 + len(behind)
    assert queue.task(long)["result"] is True


def test_what_ran_before_a_long_one_is_reported_meanwhile(queue: Queue) -> None:
    before, long, _ = tasks(queue)
    goes_on = threading.Event()

    def handler(params: Any) -> None:
        if params["number"] == SHORT:
            assert goes_on.wait(SECONDS)

    worker = worker_of(queue, handler)
    worker.start()
    try:
        wait_until(
            lambda: set(queue.statuses(before)) == {"completed"}, SECONDS, "the reports of others"
        )
        assert queue.task(long)["status"] == "claimed"
    finally:
        goes_on.set()
        assert worker.wait(SECONDS)


def test_one_that_takes_too_long_is_timed_out_alone(queue: Queue) -> None:
    before, long, behind = tasks(queue)
    is_over = threading.Event()

    def handler(params: Any) -> None:
        if params["number"] == SHORT:
            is_over.wait(SECONDS)

    counters = worker_of(queue, handler, task_timeout=0.5).run()
    is_over.set()
    assert (counters.completed, counters.failed) == (len(before) + len(behind), 3)
    assert "timed out" in queue.task(long)["error_message"]


@pytest.mark.parametrize("way", ["fatal", "stop", "interrupt"])
def test_what_waits_behind_the_end_is_given_back(queue: Queue, way: str) -> None:
    before, last, behind = tasks(queue)
    ran: list[int] = []

    def handler(params: Any) -> None:
        ran.append(params["number"])
        if params["number"] == SHORT:
            if way == "fatal":
                raise FatalError("no disk")
            if way == "interrupt":
                raise KeyboardInterrupt
            worker.stop()

    worker = worker_of(queue, handler)
    counters = worker.run()
    assert ran == list(range(SHORT + 1))
    assert queue.statuses(before) == ["completed"] * len(before)
    assert queue.task(last)["status"] == ("completed" if way == "stop" else "pending")
    assert set(queue.statuses(behind)) == {"pending"}
    assert {queue.attempts_left(each) for each in behind} == {3}
    assert counters.released == counters.claimed - counters.completed - counters.failed


def test_a_listener_of_starts_hears_of_each_when_it_starts(queue: Queue) -> None:
    tasks(queue)
    told: list[tuple[str, int]] = []
    worker = worker_of(queue, lambda params: None)
    for event in ("job:started", "job:completed"):
        worker.on(event, lambda each: told.append((each["event"], each["job_id"])))
    counters = worker.run()
    started = [job for event, job in told if event == "job:started"]
    assert started == sorted(started)
    assert len(started) == counters.completed
    for job in started:
        assert told.index(("job:started", job)) < told.index(("job:completed", job))


def test_not_more_than_max_runs(queue: Queue) -> None:
    tasks(queue)
    counters = worker_of(queue, lambda params: None, max_runs=SHORT + 3).run()
    assert (counters.completed, counters.claimed, counters.released) == (SHORT + 3, SHORT + 3, 0)
