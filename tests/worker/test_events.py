"""Events: each of them, in their order, with what they tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

import worker
from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.worker.support import Queue, Workers
from worker import EVENTS, ApiError, Client, Job, PermanentError, Worker, on

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

Told = list[dict[str, Any]]


def listen(to: Worker) -> Told:
    told: Told = []
    for event in EVENTS:
        to.on(event, told.append)
    return told


def names(told: Told, job_id: int | None = None) -> list[str]:
    """The events in their order, of one job or of none."""
    return [each["event"] for each in told if each.get("job_id") == job_id]


def one(told: Told, event: str, job_id: int | None = None) -> dict[str, Any]:
    (found,) = [each for each in told if (each["event"], each.get("job_id")) == (event, job_id)]
    return found


@sqlite
def test_every_event_is_told_in_its_order(queue: Queue) -> None:
    queue.register("t.do")
    queue.register("t.foreign")
    foreign = queue.create("t.foreign")
    fine, again, never, lost = queue.create_many("t.do", 4)

    def handler(params: Any, job: Job) -> str:
        if job.id == again:
            raise OSError("not yet")
        if job.id == never:
            raise PermanentError("not ever")
        if job.id == lost:
            body = {"worker_id": job.worker_id, "attempt": job.attempt, "delay": 1000}
            assert queue.server.call("POST", f"/tasks/{lost}/release", body)[0] == 200
        return "done"

    def busy_once(proxy: HttpProxy, call: ProxiedCall) -> str:
        return "status:503" if call.path.endswith("/claim") and not proxy.faults else "pass"

    with HttpProxy(queue.url, busy_once) as proxy:
        client = Client(proxy.url, queue.key)
        options: dict[str, Any] = {"type_pattern": "t.%", "worker_id": "w1", "batch": 10}
        mine = Worker(client, {"t.do": handler}, until_empty=True, **options)
        told = listen(mine)
        mine.run()

    assert {each["event"] for each in told} == set(EVENTS)
    assert {each["worker_id"] for each in told} == {"w1"}
    assert names(told) == ["started", "error", "stopped"]
    assert names(told, fine) == ["job:claimed", "job:started", "job:completed"]
    assert names(told, again) == ["job:claimed", "job:started", "job:failed"]
    assert names(told, never) == ["job:claimed", "job:started", "job:failed"]
    assert names(told, lost) == ["job:claimed", "job:started", "job:lost"]
    assert names(told, foreign) == ["job:claimed", "job:released"]

    claimed = one(told, "job:claimed", fine)
    assert (claimed["type"], claimed["attempt"]) == ("t.do", 1)
    completed = one(told, "job:completed", fine)
    assert completed["result"] == "done"
    assert completed["seconds"] >= 0
    failed = one(told, "job:failed", again)
    assert (failed["error"], failed["will_retry"]) == ("OSError: not yet", True)
    failed = one(told, "job:failed", never)
    assert (failed["error"], failed["will_retry"]) == ("not ever", False)
    error = one(told, "error")["error"]
    assert isinstance(error, ApiError)
    assert error.status == 503
    assert one(told, "stopped")["reason"] == "empty"


@sqlite
def test_the_last_attempt_will_not_be_retried(queue: Queue) -> None:
    queue.register("t.do", max_attempts=1)
    task_id = queue.create("t.do")

    def handler(params: Any) -> None:
        raise OSError("the only attempt")

    mine = Worker(Client(queue.url, queue.key), {"t.do": handler}, until_empty=True)
    told = listen(mine)
    mine.run()
    assert one(told, "job:failed", task_id)["will_retry"] is False


@sqlite
def test_what_the_server_refuses_ends_with_error_and_stopped(queue: Queue) -> None:
    mine = Worker(Client(queue.url, "wrong"), {"t.do": lambda params: None})
    told = listen(mine)
    with pytest.raises(ApiError, match="API key"):
        mine.run()
    assert names(told)[0] == "started"
    assert names(told)[-2:] == ["error", "stopped"]
    assert one(told, "stopped")["reason"] == "error"


@sqlite
def test_a_listener_that_raises_does_no_harm(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.register("t.do")
    ids = queue.create_many("t.do", 3)

    def broken(told: dict[str, Any]) -> None:
        raise RuntimeError(f"broken at {told['event']}")

    mine = Worker(Client(queue.url, queue.key), {"t.do": lambda params: 1}, until_empty=True)
    for event in EVENTS:
        mine.on(event, broken)
    told = listen(mine)
    assert mine.run().completed == 3
    assert queue.statuses(ids) == ["completed"] * 3
    # The other listener still hears of everything.
    assert [names(told, each)[-1] for each in ids] == ["job:completed"] * 3
    assert "broken at job:completed" in caplog.text


def test_an_event_that_there_is_not_is_refused() -> None:
    mine = Worker(Client("http://127.0.0.1/api"), {"t.do": lambda params: None})
    for listen_to in (on("job:done"), lambda listener: mine.on("job:done", listener)):
        with pytest.raises(ValueError, match="no event 'job:done'; there are started, stopped,"):
            listen_to(print)
    assert "job:done" not in worker.LISTENERS


@sqlite
def test_listeners_in_the_handlers_file(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        import json


        @task("t.do")
        def f(params):
            return 1 / params["number"]


        def note(told):
            with open("events", "a") as file:
                file.write(json.dumps(told, default=str) + "\\n")


        for event in EVENTS:
            on(event)(note)
        """
    )
    queue.register("t.do")
    zero, one_ = queue.create_many("t.do", 2)
    # In processes too it is the worker that tells, once.
    assert workers.run("--until-empty", "--processes", "--worker-id", "w1")[0] == 0
    lines = (workers.folder / "events").read_text().splitlines()
    told: Told = [json.loads(line) for line in lines]
    assert names(told) == ["started", "stopped"]
    assert names(told, zero) == ["job:claimed", "job:started", "job:failed"]
    assert names(told, one_) == ["job:claimed", "job:started", "job:completed"]
    assert one(told, "started") == {"event": "started", "worker_id": "w1", "task_types": ["t.do"]}
