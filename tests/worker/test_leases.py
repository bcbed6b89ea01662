"""Keeping leases, and leaving alone what was lost."""

from __future__ import annotations

import pytest

from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish

HOLD = """
@task('t.hold')
def f(params, job):
    open('started', 'w').close()
    while not os.path.exists('open') and not job.cancelled:
        time.sleep(0.05)
    return 'cancelled' if job.cancelled else 'done'
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def started(workers: Workers) -> None:
    wait_until((workers.folder / "started").exists, SECONDS, "the task to start")


def test_leases_of_running_and_queued_tasks_are_kept_alive(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold", timeout=4)
    ids = queue.create_many("t.hold", 3)
    with HttpProxy(queue.url) as proxy:
        worker = workers.start("--until-empty", "--batch", "3", url=proxy.url)
        started(workers)
        # Longer than a lease lasts: all three are renewed together, after a third of it.
        wait_until(lambda: proxy.count("/heartbeat") >= 4, SECONDS, "heartbeats")
        assert {len(body["tasks"]) for body in proxy.bodies("/heartbeat")} == {3}
        status, response = queue.server.call(
            "POST", "/tasks/claim", {"worker_id": "rival", "limit": 10}
        )
        assert (status, response["data"]["count"]) == (200, 0)
        (workers.folder / "open").touch()
        assert finish(worker)[0] == 0
    assert queue.statuses(ids) == ["completed"] * 3
    assert [queue.changes(each, "claimed") for each in ids] == [1, 1, 1]


def test_a_lost_lease_tells_the_handler_and_is_not_settled(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold", timeout=6)
    running, queued = queue.create_many("t.hold", 2)
    with HttpProxy(queue.url) as proxy:
        options = ("--max-runs", "2", "--batch", "2", "--worker-id", "loser")
        worker = workers.start(*options, url=proxy.url)
        started(workers)
        for task_id in (running, queued):
            body = {"worker_id": "loser", "attempt": 1, "delay": 1000}
            assert queue.server.call("POST", f"/tasks/{task_id}/release", body)[0] == 200
        # The handler ends by itself once it is told; the queued task is never started.
        wait_until(lambda: proxy.count("/heartbeat") >= 1, SECONDS, "heartbeats")
        worker.terminate()
        code, output = finish(worker)
        outcomes = [each for body in proxy.bodies("/settle") for each in body["outcomes"]]
        assert all(each.get("release") for each in outcomes)
    assert code == 0
    assert "claimed 2, completed 0, failed 0, released 0, lost 2" in output
    assert queue.statuses([running, queued]) == ["pending", "pending"]


def test_a_rival_that_took_over_keeps_its_tasks(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)  # only the first is started
    queue.register("t.hold", timeout=0.5)
    ids = queue.create_many("t.hold", 2)
    gate = workers.folder / "open"

    def no_heartbeats(_proxy: HttpProxy, call: ProxiedCall) -> str:
        return "page" if call.path.endswith("/heartbeat") and not gate.exists() else "pass"

    with HttpProxy(queue.url, no_heartbeats) as proxy:
        worker = workers.start("--until-empty", "--batch", "2", url=proxy.url)
        started(workers)
        taken: set[int] = set()

        def rival_has_both() -> bool:
            claim = {"worker_id": "rival", "limit": 2, "lease": 1000}
            _, response = queue.server.call("POST", "/tasks/claim", claim)
            taken.update(task["id"] for task in response["data"]["tasks"])
            return taken == set(ids)

        wait_until(rival_has_both, SECONDS, "the leases to end")
        gate.touch()
        code, output = finish(worker)
        # The first had an end to report; the second was asked about and not even started.
        assert [len(body["outcomes"]) for body in proxy.bodies("/settle")] == [1]
    assert code == 0
    assert "claimed 2, completed 0, failed 0, released 0, lost 2" in output
    for task_id in ids:
        task = queue.task(task_id)
        assert (task["status"], task["claimed_by"], task["attempts"]) == ("claimed", "rival", 2)


def test_a_request_to_cancel_reaches_the_handler(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold", timeout=6)
    task_id = queue.create("t.hold")
    worker = workers.start("--until-empty")
    started(workers)
    assert queue.server.call("POST", f"/tasks/{task_id}/cancel", {})[0] == 200
    code, output = finish(worker)
    assert code == 0
    assert "completed 1" in output
    assert queue.task(task_id)["result"] == "cancelled"


def test_lease_and_heartbeats_are_as_long_as_asked_for(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(HOLD)
    queue.register("t.hold", timeout=6)
    task_id = queue.create("t.hold")
    with HttpProxy(queue.url) as proxy:
        options = ("--lease", "3000", "--heartbeat-interval", "0.2", "--until-empty")
        worker = workers.start(*options, url=proxy.url)
        # By itself it would ask for the first time after a minute.
        wait_until(lambda: proxy.count("/heartbeat") >= 3, SECONDS, "heartbeats")
        assert queue.lease_of(task_id) > 2000
        (workers.folder / "open").touch()
        assert finish(worker)[0] == 0
    assert queue.task(task_id)["result"] == "done"
