"""The worker as a part of somebody's own program."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.net import free_port, wait_until
from tests.worker.support import SECONDS, Queue
from worker import ApiError, Client, Job, Worker

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def client(queue: Queue) -> Client:
    return Client(queue.url, queue.key)


def nothing(params: Any) -> None:
    return None


@sqlite
def test_it_runs_the_handlers_that_it_is_given(queue: Queue, client: Client) -> None:
    queue.register("t.double")
    ids = queue.create_many("t.double", 3)
    handlers = {"t.double": lambda params: params["number"] * 2}
    counters = Worker(client, handlers, until_empty=True, batch=2).run()
    assert (counters.claimed, counters.completed, counters.failed) == (3, 3, 0)
    assert [queue.task(each)["result"] for each in ids] == [0, 2, 4]


@sqlite
def test_it_runs_in_a_thread_and_is_stopped_by_another(queue: Queue, client: Client) -> None:
    queue.register("t.thread")
    ids = queue.create_many("t.thread", 5)
    running, may_end = threading.Event(), threading.Event()

    def handler(params: Any, job: Job) -> str:
        running.set()
        may_end.wait(SECONDS)
        return job.worker_id

    worker = Worker(client, {"t.thread": handler}, worker_id="in-a-thread", batch=5)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert running.wait(SECONDS)
    worker.stop()
    may_end.set()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert (worker.counters.completed, worker.counters.released) == (1, 4)
    assert queue.statuses(ids) == ["completed"] + ["pending"] * 4
    assert queue.task(ids[0])["result"] == "in-a-thread"


@sqlite
def test_two_workers_share_a_client(queue: Queue, client: Client) -> None:
    queue.register("t.shared")
    ids = queue.create_many("t.shared", 30)
    both = [Worker(client, {"t.shared": nothing}, until_empty=True, batch=3) for _ in range(2)]
    assert both[0].worker_id != both[1].worker_id
    threads = [threading.Thread(target=each.run) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sum(each.counters.completed for each in both) == 30
    assert queue.statuses(ids) == ["completed"] * 30
    assert [queue.changes(each, "claimed") for each in ids] == [1] * 30


@sqlite
def test_a_wrong_key_is_raised(queue: Queue) -> None:
    with pytest.raises(ApiError) as caught:
        Worker(Client(queue.url, "wrong"), {"t": nothing}).run()
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_a_server_that_is_away_is_raised() -> None:
    client = Client(f"http://127.0.0.1:{free_port()}/api", "key")
    with pytest.raises(ApiError, match="the server is not ready") as caught:
        Worker(client, {"t": nothing}).run()
    assert caught.value.temporary


def test_what_cannot_work_is_refused() -> None:
    client = Client("http://127.0.0.1/api", "key")
    with pytest.raises(ValueError, match="there is no handler: decorate"):
        Worker(client, {})
    with pytest.raises(ValueError, match=r"no handler for b; there are handlers for a"):
        Worker(client, {"a": nothing}, task_types=["a", "b"])
    with pytest.raises(ValueError, match="status file"):
        Worker(client, {"a": nothing}, status_file="/nowhere/status.json")
    with pytest.raises(ValueError, match="function"):
        Worker(client, {"a": lambda params: 1}, processes=True)


@sqlite
def test_progress_reaches_the_server_while_the_handler_runs(queue: Queue, client: Client) -> None:
    queue.register("t.progress")
    task_id = queue.create("t.progress")
    seen: list[dict[str, Any]] = []

    def handler(params: Any, job: Job) -> None:
        for percent in range(0, 51, 5):
            job.progress(percent, f"at {percent}")
        wait_until(lambda: queue.task(task_id)["progress"] == 50, SECONDS, "the progress")
        seen.append(queue.task(task_id))

    assert Worker(client, {"t.progress": handler}, until_empty=True).run().completed == 1
    assert seen[0]["progress_message"] == "at 50"
    assert seen[0]["status"] == "claimed"
