"""How often a worker calls: quick tasks share their calls, and an idle queue is left alone."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import HttpProxy
from tests.worker.support import Queue, Workers
from tests.worker_faults.journal import install_handlers

TASKS = 1000
MOST_PER_TASK = 0.05

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def fill(queue: Queue, workers: Workers, count: int) -> list[int]:
    install_handlers("quick", workers.folder)
    queue.register("quick.work")
    tasks = [
        {"type": "quick.work", "params": {"number": number}, "dedupe": False}
        for number in range(count)
    ]
    status, response = queue.server.call("POST", "/tasks", {"tasks": tasks})
    assert status == 201, response
    return [task["id"] for task in response["data"]["tasks"]]


@pytest.mark.parametrize("options", [(), ("--concurrency", "4")], ids=["one", "four at once"])
def test_a_thousand_quick_tasks_take_few_calls(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    ids = fill(queue, workers, TASKS)
    with HttpProxy(queue.url) as proxy:
        code, output = workers.run("--until-empty", *options, url=proxy.url)
        calls = [call.path for call in proxy.calls()]
        done = [each["id"] for call in proxy.calls() for each in call.settled]
    assert code == 0, output
    assert f"completed {TASKS}, failed 0, released 0, lost 0" in output
    assert sorted(done) == ids
    assert len(calls) <= MOST_PER_TASK * TASKS, calls


def test_nothing_to_do_takes_two_calls(queue: Queue, workers: Workers) -> None:
    fill(queue, workers, 1)
    assert workers.run("--until-empty")[0] == 0
    with HttpProxy(queue.url) as proxy:
        assert workers.run("--until-empty", url=proxy.url) == (0, "")
        calls = [call.path for call in proxy.calls()]
    assert calls == ["/api/health", "/api/tasks/claim"]
