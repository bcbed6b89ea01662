"""States, and a worker as a part of a program: start, stop, wait, several at once."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support import disk
from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish, read_until
from worker import ApiError, Client, StatusFile, Worker

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

# Two kinds of workers; each has a task that ends when the other's runs too, and one that waits.
PROGRAM = """
import os, sys, time
from worker import Client, Worker, set_up_log, stop_on_signals

def meet(params, job):
    open(f"here-{job.type}", "w").close()
    while not (os.path.exists("here-t.mail") and os.path.exists("here-t.report")):
        time.sleep(0.02)
    open("met", "w").close()
    while not job.stopping:
        time.sleep(0.02)
    return job.worker_id

set_up_log("info", None, False)
client = Client(os.environ["TASKMANAGER_API_URL"], os.environ["TASKMANAGER_API_KEY"])
workers = [Worker(client, {name: meet}, worker_id=name) for name in ("t.mail", "t.report")]
stop_on_signals(*workers)
for worker in workers:
    worker.start()
while not all(worker.wait(0.1) for worker in workers):
    pass
print(*(f"{worker.worker_id} {worker.state}" for worker in workers))
"""


def gated(gate: threading.Event) -> Any:
    def handler(params: Any) -> None:
        assert gate.wait(SECONDS)

    return {"t.gate": handler}


@sqlite
def test_from_idle_to_stopped(queue: Queue) -> None:
    queue.register("t.gate")
    ids = queue.create_many("t.gate", 3)
    allow_health, end_task = threading.Event(), threading.Event()

    def slow_health(_proxy: HttpProxy, call: ProxiedCall) -> str:
        assert not call.path.endswith("/health") or allow_health.wait(SECONDS)
        return "pass"

    with HttpProxy(queue.url, slow_health) as proxy:
        worker = Worker(Client(proxy.url, queue.key), gated(end_task), concurrency=2, batch=3)
        assert (worker.state, worker.is_running, worker.active_jobs) == ("idle", False, 0)
        worker.start()
        assert (worker.state, worker.is_running) == ("starting", True)
        allow_health.set()
        wait_until(lambda: worker.active_jobs == 2, SECONDS, "two tasks to run")
        assert (worker.state, worker.is_running) == ("running", True)
        assert worker.wait(0) is False
        worker.stop("enough")
        wait_until(lambda: worker.state == "stopping", SECONDS, "the worker to be stopping")
        assert (worker.is_running, worker.active_jobs) == (True, 2)
        end_task.set()
        assert worker.wait(SECONDS) is True
    assert (worker.state, worker.is_running, worker.active_jobs) == ("stopped", False, 0)
    assert worker.stop_reason == "enough"
    assert queue.statuses(ids) == ["completed", "completed", "pending"]


@sqlite
def test_an_error_is_a_state_and_raised_by_wait(queue: Queue) -> None:
    worker = Worker(Client(queue.url, "wrong"), gated(threading.Event()))
    worker.start()
    with pytest.raises(ApiError, match="API key"):
        worker.wait(SECONDS)
    assert (worker.state, worker.is_running) == ("error", False)
    assert worker.status()["state"] == "error"


@sqlite
def test_a_worker_that_has_ended_does_not_begin_again(queue: Queue) -> None:
    worker = Worker(Client(queue.url, queue.key), gated(threading.Event()), until_empty=True)
    assert worker.run().claimed == 0
    for begin in (worker.run, worker.start):
        with pytest.raises(RuntimeError, match="has run already: make another one"):
            begin()
    assert worker.state == "stopped"


@sqlite
def test_status_tells_state_counters_and_rates(queue: Queue) -> None:
    queue.register("t.divide", max_attempts=1)
    ids = queue.create_many("t.divide", 4)
    handlers = {"t.divide": lambda params: 1 / params["number"]}
    worker = Worker(Client(queue.url, queue.key), handlers, worker_id="w1", until_empty=True)
    before = worker.status()
    assert (before["state"], before["success_rate"], before["last_task_at"]) == ("idle", None, None)
    worker.run()
    after = worker.status()
    assert queue.statuses(ids) == ["failed", "completed", "completed", "completed"]
    assert (after["state"], after["worker_id"], after["active"]) == ("stopped", "w1", 0)
    assert (after["claimed"], after["completed"], after["failed"]) == (4, 3, 1)
    assert (after["released"], after["lost"], after["success_rate"]) == (0, 0, 0.75)
    assert after["average_time"] >= 0
    assert after["started_at"] <= after["last_task_at"] <= after["updated_at"]


@sqlite
def test_the_status_file_follows(queue: Queue, tmp_path: Path) -> None:
    queue.register("t.gate")
    queue.create("t.gate")
    path, end_task = tmp_path / "status.json", threading.Event()
    worker = Worker(Client(queue.url, queue.key), gated(end_task), status_file=str(path))

    def says(state: str) -> bool:
        status = json.loads(path.read_text()) if path.exists() else {}
        return bool(status.get("state") == state)

    worker.start()
    wait_until(lambda: says("running"), SECONDS, "the status to be running")
    wait_until(lambda: worker.active_jobs, SECONDS, "the task to run")
    worker.stop()
    wait_until(lambda: says("stopping"), SECONDS, "the status to be stopping")
    assert json.loads(path.read_text())["active"] == 1
    end_task.set()
    worker.wait(SECONDS)
    assert says("stopped")
    assert json.loads(path.read_text())["completed"] == 1


@sqlite
def test_several_workers_in_one_program_stop_on_a_signal(queue: Queue, workers: Workers) -> None:
    for name in ("t.mail", "t.report"):
        queue.register(name)
    ids = [queue.create(name) for name in ("t.mail", "t.report", "t.mail")]
    program = workers.start_program(PROGRAM)
    workers.wait_for_file("met")
    program.send_signal(signal.SIGTERM)
    code, output = finish(program)
    assert code == 0, output
    assert "t.mail stopped t.report stopped" in output
    assert [queue.task(each)["result"] for each in ids] == ["t.mail", "t.report", None]
    assert queue.statuses(ids) == ["completed", "completed", "pending"]


@sqlite
def test_a_second_signal_ends_such_a_program_at_once(queue: Queue, workers: Workers) -> None:
    queue.register("t.mail")
    queue.register("t.report")
    queue.create("t.mail")
    # Alone, it waits for ever, and is deaf to the first signal.
    program = workers.start_program(PROGRAM)
    workers.wait_for_file("here-t.mail")
    program.send_signal(signal.SIGINT)
    read_until(program, "stopping when")
    program.send_signal(signal.SIGTERM)
    assert program.wait(SECONDS) == 143


def test_a_full_disk_leaves_no_half_status_files(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk.mount(folder, 1)
    try:
        status = StatusFile(str(folder / "status.json"), lambda: {"state": "running"})
        status.write()
        disk.fill(folder / "rest")
        for _ in range(3):
            status.write()
        assert sorted(path.name for path in folder.iterdir()) == ["rest", "status.json"]
        assert json.loads((folder / "status.json").read_text()) == {"state": "running"}
    finally:
        disk.unmount(folder)


@sqlite
def test_the_status_file_tells_the_counters(queue: Queue, workers: Workers, tmp_path: Path) -> None:
    workers.write_handlers(
        """
        @task("t.mixed")
        def f(params):
            return 1 / params["n"]
        """
    )
    queue.register("t.mixed", max_attempts=1)
    for number in (1, 0, 2):
        queue.create("t.mixed", {"n": number})
    path = tmp_path / "status.json"
    options = ("--until-empty", "--worker-id", "w1", "--status-file", str(path))
    assert workers.run(*options)[0] == 0
    status = json.loads(path.read_text())
    assert status.pop("started_at") <= status.pop("updated_at")
    assert status.pop("average_time") >= 0
    assert status.pop("uptime") > 0
    assert status.pop("last_task_at").endswith("Z")
    assert status.pop("pid") > 0
    assert status == {
        "state": "stopped",
        "worker_id": "w1",
        **{"claimed": 3, "completed": 2, "failed": 1, "released": 0, "lost": 0},
        "active": 0,
        "success_rate": 0.6667,
    }
    assert [each.name for each in tmp_path.glob("*status*")] == ["status.json"]
