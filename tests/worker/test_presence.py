"""The list of workers: who is in it, and with what."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish

HOLD = """
__version__ = '1.2.3'
@task('t.hold')
def f(params):
    open(f"began-{params['number']}", 'w').close()
    while not os.path.exists(f"open-{params['number']}"):
        time.sleep(0.02)
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def listed(queue: Queue, worker_id: str) -> dict[str, Any]:
    """The worker as the list shows it; empty where it is not in it, or has told nothing yet."""
    _, response = queue.server.call("GET", "/workers")
    found = [each for each in response["data"]["workers"] if each["id"] == worker_id]
    return found[0] if found and found[0]["registered_at"] else {}


def test_a_worker_is_in_the_list_with_what_it_tells(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold")
    (task_id,) = queue.create_many("t.hold", 1)
    options = ("--worker-id", "mail/1 é", "--metadata", "region=eu, tier=2", "--concurrency", "3")
    worker = workers.start(*options)
    workers.wait_for_file("began-0")
    wait_until(lambda: listed(queue, "mail/1 é"), SECONDS, "the worker to be in the list")
    entry = listed(queue, "mail/1 é")
    assert (entry["host"], entry["version"]) == (socket.gethostname(), "1.2.3")
    assert (entry["concurrency"], entry["active_tasks"]) == (3, 1)
    assert entry["metadata"] == {"region": "eu", "tier": "2"}
    assert entry["deregistered_at"] is None
    workers.make_file("open-0")
    queue.wait_for(task_id, "completed")
    worker.terminate()
    assert finish(worker)[0] == 0
    assert listed(queue, "mail/1 é")["deregistered_at"] is not None


def test_leaving_takes_nothing_from_another_process_of_the_same_name(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold")
    first_task, second_task = queue.create_many("t.hold", 2)
    options = ("--worker-id", "twin", "--batch", "1", "--max-runs", "1")
    first = workers.start(*options)
    workers.wait_for_file("began-0")
    with HttpProxy(queue.url) as proxy:
        second = workers.start(*options, url=proxy.url)
        workers.wait_for_file("began-1")
        wait_until(lambda: proxy.count("/workers/register"), SECONDS, "the announcement")
        workers.make_file("open-1")
        assert finish(second)[0] == 0
        assert proxy.count("/deregister") == 1
    assert queue.statuses([first_task, second_task]) == ["claimed", "completed"]
    workers.make_file("open-0")
    assert "completed 1, failed 0, released 0, lost 0" in finish(first)[1]
    assert queue.changes(first_task, "claimed") == 1


def test_a_run_that_finds_nothing_is_not_announced(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold")

    def slow_claim(_proxy: HttpProxy, call: ProxiedCall) -> str:
        if call.path.endswith("/claim"):
            time.sleep(0.5)  # enough for an announcement, if there were one
        return "pass"

    with HttpProxy(queue.url, slow_claim) as proxy:
        assert workers.run("--until-empty", url=proxy.url)[0] == 0
        assert proxy.paths == ["/api/health", "/api/tasks/claim"]


def test_a_server_without_such_a_list_is_no_trouble(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold")
    queue.create_many("t.hold", 1)
    workers.make_file("open-0")

    def no_list(_proxy: HttpProxy, call: ProxiedCall) -> str:
        return "status:404" if "/workers/" in call.path else "pass"

    with HttpProxy(queue.url, no_list) as proxy:
        worker = workers.start("--poll-interval", "0.1", url=proxy.url)
        wait_until(lambda: proxy.count("/workers/register"), SECONDS, "the announcement")
        worker.terminate()
        code, output = finish(worker)
        assert proxy.count("/workers/register") == 1
    assert code == 0
    assert "completed 1" in output
    assert "WARNING" not in output
