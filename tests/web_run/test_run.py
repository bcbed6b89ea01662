"""``/run``: waiting tasks are done beside a request."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.web_run.conftest import TOKEN, RunSite

COUNT = """
@task("count")
def count(params):
    print("done", params["n"])
    return params["n"] + 1
"""

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_ping_does_what_waits(run_site: RunSite, tmp_path: Path) -> None:
    run_site.write_handlers(COUNT)
    ids = run_site.add("count", 30)
    response = run_site.ping()
    assert response.status == 200, response
    seconds = response.data.pop("seconds")
    assert response.data == {"completed": 30, "failed": 0, "released": 0, "remaining": 0}
    assert 0 < seconds < 20
    assert [run_site.task(each)["result"] for each in ids] == [n + 1 for n in range(30)]
    assert "done 29" in (tmp_path / "logs" / "run.log").read_text("utf-8")


@on_sqlite
def test_nothing_to_do(run_site: RunSite) -> None:
    run_site.write_handlers(COUNT)
    response = run_site.ping(method="POST")
    assert response.status == 200, response
    assert response.data["completed"] == response.data["remaining"] == 0


@on_sqlite
def test_a_paused_queue(run_site: RunSite) -> None:
    run_site.write_handlers(COUNT)
    run_site.add("count", 3)
    assert run_site.server.call("POST", "/queue/pause", {})[0] == 200
    response = run_site.ping()
    assert response.status == 200, response
    assert (response.data["completed"], response.data["remaining"]) == (0, 3)
    assert run_site.server.call("POST", "/queue/resume", {})[0] == 200
    assert run_site.ping().data["completed"] == 3


@on_sqlite
def test_types_of_the_handlers_are_registered(run_site: RunSite) -> None:
    run_site.write_handlers("""
        TASK_TYPES = [{"name": "count", "version": "1", "param_schema": {"required": ["n"]}}]

        @task("count")
        def count(params):
            pass
    """)
    assert run_site.ping().status == 200
    status, found = run_site.server.call("GET", "/task-types/count")
    assert (status, found["data"]["param_schema"]) == (200, {"required": ["n"]})


def test_two_pings_at_once_do_no_task_twice(run_site: RunSite, tmp_path: Path) -> None:
    run_site.write_handlers(f"""
        @task("slow")
        def slow(params):
            time.sleep(0.1)
            with open({str(tmp_path / "done")!r}, "a") as file:
                file.write(f"{{params['n']}}\\n")
    """)
    run_site.add("slow", 15)
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(lambda _: run_site.ping(), range(3)))
    statuses = sorted(each.status for each in responses)
    assert statuses == [200, 409, 409]
    refused = next(each for each in responses if each.status == 409)
    assert refused.error == "Another run is on: it does what waits"
    while run_site.ping().data["remaining"]:
        pass
    assert sorted((tmp_path / "done").read_text().split(), key=int) == [str(n) for n in range(15)]


def test_what_is_left_at_the_end_of_the_time_is_left_to_the_next(run_site: RunSite) -> None:
    run_site.write_handlers("""
        @task("slow")
        def slow(params):
            time.sleep(0.2)
    """)
    run_site.add("slow", 60)
    first = run_site.ping(f"/run?token={TOKEN}&seconds=4")
    assert first.status == 200, first
    assert 0 < first.data["completed"] < 30
    assert first.data["remaining"] == 60 - first.data["completed"]
    second = run_site.ping(f"/run?token={TOKEN}&seconds=4")
    assert second.data["completed"] > 0
    assert second.data["remaining"] == first.data["remaining"] - second.data["completed"]


@on_sqlite
def test_a_handler_that_outlives_the_run_is_not_lost(run_site: RunSite) -> None:
    run_site.write_handlers("""
        @task("endless")
        def endless(params):
            while True:
                time.sleep(1)
    """)
    (task_id,) = run_site.add("endless", max_attempts=2)
    began = time.monotonic()
    response = run_site.ping(f"/run?token={TOKEN}&seconds=2")
    assert time.monotonic() - began < 15
    assert response.status == 200, response
    assert run_site.task(task_id)["status"] == "pending"
    assert run_site.ping().status == 200  # the lock is free again


@on_sqlite
def test_a_handler_that_ends_its_process(run_site: RunSite) -> None:
    run_site.write_handlers("""
        @task("exit")
        def end(params):
            os._exit(7)
    """)
    run_site.add("exit")
    response = run_site.ping()
    assert (response.status, response.code) == (409, "conflict")
    assert "ended with exit code 7" in response.error


@on_sqlite
@pytest.mark.parametrize(
    ("source", "reason"),
    [("raise RuntimeError('broken')", "broken"), ("def (", "handlers.py"), (None, "upload")],
)
def test_handlers_that_cannot_be_used(run_site: RunSite, source: str | None, reason: str) -> None:
    if source is not None:
        run_site.write_handlers(source)
    response = run_site.ping()
    assert (response.status, response.code) == (409, "conflict")
    assert reason in response.error
    run_site.write_handlers(COUNT)
    assert run_site.ping().status == 200


@on_sqlite
@pytest.mark.parametrize(
    "path", ["/run", "/run?token=wrong", "/run?token=", f"/run?token={TOKEN}x"]
)
def test_who_may(run_site: RunSite, path: str) -> None:
    run_site.write_handlers(COUNT)
    (task_id,) = run_site.add("count")
    response = run_site.ping(path)
    assert response.status in (400, 401), response
    assert run_site.task(task_id)["status"] == "pending"


@on_sqlite
def test_the_api_key_will_do(run_site: RunSite) -> None:
    run_site.write_handlers(COUNT)
    assert run_site.server.call("POST", "/run", {"seconds": 1})[0] == 200


@on_sqlite
def test_the_token_opens_nothing_else(run_site: RunSite) -> None:
    for path in (f"/tasks?token={TOKEN}", f"/task-types?token={TOKEN}"):
        assert run_site.ping(path).status == 401
    assert run_site.server.api("GET", "/tasks", headers={"X-API-Key": TOKEN}).status == 401


@on_sqlite
@pytest.mark.parametrize("seconds", ["0", "4.1", "many", "-1", "1e9"])
def test_seconds_that_are_too_many(run_site: RunSite, seconds: str) -> None:
    response = run_site.ping(f"/run?token={TOKEN}&seconds={seconds}")
    assert (response.status, response.code) == (400, "validation_failed")
    assert "seconds must be a number from 1 to 4" in response.error
    assert "RUN_SECONDS" in response.error
