"""Workers as Spooled's guide for PHP describes them, with another host and key.

docs/guides.md says which block of it each test is for; Spooled's published packages for Python are
in test_spooled.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.support import Programs, Run
from tests.support.net import wait_until
from tests.support.server import Server
from tests.worker.support import Queue

PROGRAM = Path(__file__).with_name("guides") / "spooled_worker.php"
KEY = "sk_live_0123456789abcdefABCDEF"
SECONDS = 60


@pytest.fixture(scope="module")
def spooled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a key as Spooled's own look: some SDKs take no others."""
    path = tmp_path_factory.mktemp("spooled") / "queue.sqlite3"
    settings = {"DATABASE_URL": f"sqlite:///{path}", "API_KEY": KEY, "RETRY_DELAY": 0.1}
    with Server(settings) as running:
        yield running


@pytest.fixture
def queue(spooled_server: Server) -> Queue:
    return Queue(spooled_server)


@pytest.fixture
def workers(queue: Queue) -> Iterator[Programs]:
    started = Programs(("php", str(PROGRAM)), queue.url, queue.key)
    yield started
    started.end()


def start(workers: Programs, queue: Queue, *queues: str, **env: str) -> Run:
    base_url = queue.url[: -len("/api")]
    return workers.start(*queues, BASE_URL=base_url, SPOOLED_API_KEY=KEY, **env)


def create(queue: Queue, name: str, payload: dict[str, Any], **more: Any) -> int:
    body = {"queue_name": name, "payload": payload, **more}
    status, response = queue.server.call("POST", "/v1/jobs", body)
    assert status == 201, response
    return int(response["id"])


def job(queue: Queue, job_id: int) -> dict[str, Any]:
    status, response = queue.server.call("GET", f"/v1/jobs/{job_id}")
    assert status == 200, response
    return response


def ended(run: Run) -> list[dict[str, Any]]:
    """Stops it gently; the events that it told."""
    run.terminate()
    assert run.code() == 0, run.output
    return [json.loads(line) for line in run.output.splitlines()]


@pytest.mark.parametrize("older", ["", "yes"])
def test_jobs_are_done_with_progress(queue: Queue, workers: Programs, older: str) -> None:
    name = f"guide.emails{older}"
    job_id = create(queue, name, {"items": ["a", "b", "c", "d"]})
    run = start(workers, queue, name, OLDER=older)
    task = queue.wait_for(job_id, "completed")
    assert task["result"] == {"processed": 4, "queue": name}
    assert (task["progress"], task["progress_message"]) == (100, "item 4")
    events = ended(run)
    assert [each["event"] for each in events] == [
        *("started", "job:claimed", "job:completed", "stopped")
    ]
    _, response = queue.server.call("GET", f"/workers/{events[0]['workerId']}")
    worker = response["data"]
    assert (worker["task_types"], worker["concurrency"]) == ([name], 10)
    assert worker["host"]
    assert worker["metadata"] == ({} if older else {"env": "production", "region": "us-east-1"})
    assert worker["deregistered_at"] is not None


def test_a_failed_job_is_tried_again(queue: Queue, workers: Programs) -> None:
    job_id = create(queue, "guide.retried", {"failures": 2}, max_retries=3)
    run = start(workers, queue, "guide.retried")
    queue.wait_for(job_id, "completed")
    events = ended(run)
    failed = [each for each in events if each["event"] == "job:failed"]
    assert [each["error"] for each in failed] == ["not at retry 0/3", "not at retry 1/3"]
    assert [each["willRetry"] for each in failed] == [True, True]
    assert job(queue, job_id)["retry_count"] == 2


def test_between_two_attempts_a_job_is_pending(queue: Queue, workers: Programs) -> None:
    queue.register("guide.waits", retry_delay=3600, max_attempts=4)
    job_id = create(queue, "guide.waits", {"failures": 9})
    run = start(workers, queue, "guide.waits")
    wait_until(lambda: job(queue, job_id)["retry_count"] == 1, SECONDS, "the first failure")
    found = job(queue, job_id)
    assert (found["status"], found["max_retries"]) == ("pending", 3)
    assert found["scheduled_at"] is not None
    assert found["last_error"] == "not at retry 0/3"
    ended(run)


def test_the_last_failure_goes_to_the_dead_letters(queue: Queue, workers: Programs) -> None:
    job_id = create(queue, "guide.dead", {"failures": 9}, max_retries=1)
    run = start(workers, queue, "guide.dead")
    queue.wait_for(job_id, "failed")
    failed = [each["willRetry"] for each in ended(run) if each["event"] == "job:failed"]
    assert failed == [True, False]
    assert job(queue, job_id)["status"] == "deadletter"


def test_several_workers_in_a_program(queue: Queue, workers: Programs) -> None:
    names = ("guide.emails.two", "guide.reports")
    ids = [create(queue, name, {}) for name in names]
    run = start(workers, queue, *names)
    for job_id, name in zip(ids, names):
        assert queue.wait_for(job_id, "completed")["result"]["queue"] == name
    stopped = [each for each in ended(run) if each["event"] == "stopped"]
    assert len({each["workerId"] for each in stopped}) == 2
