"""--ping-url: a monitor is told of each start, success and failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.monitor import Monitor
from tests.support.net import free_port
from tests.worker.support import Queue, Workers

ECHO = """
@task("t.echo")
def echo(params):
    return params
"""

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor()
    yield monitor
    monitor.close()


def test_a_good_run(queue: Queue, workers: Workers, monitor: Monitor) -> None:
    queue.register("t.echo")
    queue.create("t.echo")
    workers.write_handlers(ECHO)
    code, output = workers.run("--until-empty", "--worker-id", "w1", "--ping-url", monitor.url)
    assert code == 0, output
    assert monitor.pings == [
        ("/check-1/start", "w1"),
        ("/check-1", "claimed 1, completed 1, failed 0, released 0, lost 0"),
    ]


def test_a_run_that_finds_nothing_is_a_good_one(workers: Workers, monitor: Monitor) -> None:
    workers.write_handlers(ECHO)
    assert workers.run("--until-empty", PING_URL=monitor.url)[0] == 0
    assert monitor.paths == ["/check-1/start", "/check-1"]


def test_the_query_of_the_address_stays(workers: Workers, monitor: Monitor) -> None:
    workers.write_handlers(ECHO)
    assert workers.run("--until-empty", "--ping-url", f"{monitor.url}/?create=1")[0] == 0
    assert monitor.paths == ["/check-1/start?create=1", "/check-1?create=1"]


def test_a_run_that_gives_up(workers: Workers, monitor: Monitor) -> None:
    workers.write_handlers(ECHO)
    away = f"http://127.0.0.1:{free_port()}/api"
    assert workers.run("--ping-url", monitor.url, url=away)[0] == 1
    assert monitor.paths == ["/check-1/start", "/check-1/fail"]
    assert "exit code 1: the server is not ready" in monitor.pings[1][1]


def test_a_failed_task_is_no_failed_run(queue: Queue, workers: Workers, monitor: Monitor) -> None:
    queue.register("t.echo", max_attempts=1)
    queue.create("t.echo")
    workers.write_handlers("""
        @task("t.echo")
        def echo(params):
            raise PermanentError("no such customer")
    """)
    assert workers.run("--until-empty", "--ping-url", monitor.url)[0] == 0
    assert monitor.pings[1] == ("/check-1", "claimed 1, completed 0, failed 1, released 0, lost 0")


def test_handlers_that_cannot_be_loaded(workers: Workers, monitor: Monitor) -> None:
    workers.write_handlers("import no_such_module\n")
    assert workers.run("--ping-url", monitor.url)[0] == 2
    assert monitor.paths == ["/check-1/fail"]
    assert "no_such_module" in monitor.pings[0][1]


def test_a_run_that_is_locked_out_says_nothing(
    queue: Queue, workers: Workers, monitor: Monitor
) -> None:
    queue.register("t.wait")
    queue.create("t.wait")
    workers.write_handlers("""
        @task("t.wait")
        def wait(params):
            open("runs", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.05)
    """)
    first = workers.start("--lock", "l", "--until-empty")
    workers.wait_for_file("runs")
    assert workers.run("--lock", "l", "--until-empty", "--ping-url", monitor.url)[0] == 0
    assert monitor.pings == []
    workers.make_file("go")
    assert first.wait(60) == 0


def test_the_last_ping_comes_before_the_end_of_max_time(
    queue: Queue, workers: Workers, monitor: Monitor
) -> None:
    queue.register("t.wait", max_attempts=1)
    queue.create("t.wait")
    workers.write_handlers("""
        @task("t.wait")
        def wait(params, job):
            while not job.cancelled:
                time.sleep(0.05)
    """)
    code, output = workers.run("--max-time", "8", "--ping-url", monitor.url)
    assert code == 0, output
    assert monitor.paths == ["/check-1/start", "/check-1"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_monitor_that_refuses_changes_nothing(workers: Workers, status: int) -> None:
    monitor = Monitor(status)
    workers.write_handlers(ECHO)
    code, output = workers.run("--until-empty", "--ping-url", monitor.url)
    monitor.close()
    assert code == 0
    assert f"the monitor of --ping-url was not told: it answered HTTP {status}" in output
    assert monitor.paths == ["/check-1/start", "/check-1"]


def test_a_monitor_that_is_away_changes_nothing(workers: Workers) -> None:
    workers.write_handlers(ECHO)
    url = f"http://127.0.0.1:{free_port()}/check-1"
    code, output = workers.run("--until-empty", "--ping-url", url)
    assert code == 0
    assert "the monitor of --ping-url was not told: Connection refused" in output


@pytest.mark.parametrize("address", ["hc-ping.com/1", "ftp://h/1", "http://", "http://[::1/"])
def test_an_address_that_is_none(workers: Workers, address: str) -> None:
    code, output = workers.run("--ping-url", address)
    assert code == 2
    assert "is no address like https://hc-ping.com/your-uuid" in output
