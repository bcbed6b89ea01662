"""What a handler can do with its job, beyond progress."""

from __future__ import annotations

import json

import pytest

from tests.support.http_proxy import HttpProxy
from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers, finish
from worker import Client, Job, Link

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@sqlite
def test_extend_makes_the_lease_end_later(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.extend")
        def f(params, job):
            job.extend(5000)
            while not os.path.exists("open"):
                time.sleep(0.02)
        """
    )
    queue.register("t.extend", timeout=20)
    task_id = queue.create("t.extend")
    with HttpProxy(queue.url) as proxy:
        worker = workers.start("--until-empty", url=proxy.url)
        wait_until(lambda: queue.lease_of(task_id) > 4000, SECONDS, "the lease to be longer")
        workers.make_file("open")
        assert finish(worker)[0] == 0
        # Said once; at once, and not only when the lease was due to be renewed.
        assert [body["tasks"][0]["lease"] for body in proxy.bodies("/heartbeat")] == [5000]


def test_extend_refuses_a_lease_that_is_none() -> None:
    claimed = {"id": 7, "type": "t", "params": {}, "attempts": 1, "max_attempts": 3}
    job = Job(claimed, "worker-1", Link(Client("http://127.0.0.1/api")))
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="a lease must be longer than 0 seconds"):
            job.extend(seconds)


@sqlite
def test_enqueue_adds_a_task_once_however_often_it_is_tried(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        @task("t.parent")
        def f(params, job):
            made = job.enqueue("t.child", {"parent": job.id}, priority=7, tags=["family"])
            for _ in range(2):
                job.enqueue("t.twin", {}, dedupe=False)
            if job.attempt == 1:
                raise OSError("after the child was made")
            return made
        """
    )
    queue.register("t.parent", retry_delay=0.1)
    queue.register("t.child")
    queue.register("t.twin")
    task_id = queue.create("t.parent")
    assert workers.run("--max-runs", "2", "--poll-interval", "0.1")[0] == 0
    made = queue.task(task_id)["result"]
    (child,) = queue.of_type("t.child")
    assert (made["id"], made["deduplicated"]) == (child["id"], True)
    assert child["params"] == {"parent": task_id}
    assert (child["priority"], child["tags"]) == (7, ["family"])
    # Two were wanted, however equal; the second attempt made no more.
    assert len(queue.of_type("t.twin")) == 2


TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
OWN_SPAN = f"00-{'a' * 32}-{'c' * 16}-01"


@sqlite
@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_enqueue_says_where_a_task_comes_from(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(
        f"""
        @task("t.parent")
        def f(params, job):
            job.enqueue("t.child", {{"n": 1}})
            job.enqueue("t.child", {{"n": 2}}, traceparent="{OWN_SPAN}", parent_id=99)
            return job.traceparent
        """
    )
    queue.register("t.parent")
    queue.register("t.child")
    for trace in (TRACE, None):
        task_id = queue.create("t.parent", traceparent=trace)
        assert workers.run("--max-runs", "1", *options)[0] == 0
        assert queue.task(task_id)["result"] == trace
        second, first = queue.of_type("t.child")
        assert (first["parent_id"], first["traceparent"]) == (task_id, trace)
        assert (second["parent_id"], second["traceparent"]) == (99, OWN_SPAN)
        for each in (first, second):
            queue.server.call("POST", f"/tasks/{each['id']}/cancel")
            queue.server.call("POST", f"/tasks/{each['id']}/delete")


@sqlite
def test_enqueue_of_an_unknown_type_is_an_error_of_the_handler(
    queue: Queue, workers: Workers
) -> None:
    workers.write_handlers(
        """
        @task("t.parent")
        def f(params, job):
            job.enqueue("t.nothing")
        """
    )
    queue.register("t.parent")
    task_id = queue.create("t.parent")
    assert workers.run("--until-empty")[0] == 0
    assert "ApiError" in queue.task(task_id)["error_message"]
    assert "t.nothing" in queue.task(task_id)["error_message"]


@sqlite
def test_a_log_line_names_its_task(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(
        """
        import logging


        @task("t.log")
        def f(params, job):
            job.log("a first \\udcff word")
            job.log({"a": "warning"}, logging.WARNING)
            job.log("a detail", logging.DEBUG)
        """
    )
    queue.register("t.log")
    first, second = queue.create_many("t.log", 2)
    text = workers.run("--max-runs", "1")[1]
    assert f"INFO task {first} t.log: a first \\udcff word\n" in text
    assert f"WARNING task {first} t.log: {{'a': 'warning'}}\n" in text
    assert "a detail" not in text
    lines = [
        json.loads(line)
        for line in workers.run("--log-json", "--debug", "--max-runs", "1")[1].splitlines()
    ]
    (word,) = [line for line in lines if "first" in line["message"]]
    assert (word["task_id"], word["task_type"], word["attempt"]) == (second, "t.log", 1)
    said = [(line["level"], line["message"]) for line in lines if line.get("task_id") == second]
    assert ("info", f"task {second} t.log: a first \\udcff word") in said
    assert ("debug", f"task {second} t.log: a detail") in said


@sqlite
@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["thread", "process"])
def test_stopping_tells_that_the_worker_waits(
    queue: Queue, workers: Workers, options: tuple[str, ...]
) -> None:
    workers.write_handlers(
        """
        @task("t.stop")
        def f(params, job):
            before = job.stopping
            open("began", "w").close()
            while not job.stopping:
                time.sleep(0.02)
            return [before, job.stopping, job.cancelled]
        """
    )
    queue.register("t.stop")
    task_id = queue.create("t.stop")
    worker = workers.start(*options)
    workers.wait_for_file("began")
    worker.terminate()
    assert finish(worker)[0] == 0
    assert queue.task(task_id)["result"] == [False, True, False]
