"""Clocks that disagree: a lease and a delay are as long as they say, whatever the web server or
the database believes that time it is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.faults.calls import create, create_plain, get, post, register, task
from tests.support.database import empty, mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.server import Server

SECONDS = 2.0
END_SECONDS = 60
DAY_AHEAD = ("faketime", "-f", "+1d")
DAY_BEHIND = ("faketime", "-f", "-1d")
# Written as rules, not names, so that a host without a time zone database knows them too.
TOKYO = {"TZ": "JST-9"}
LOS_ANGELES = {"TZ": "PST8PDT,M3.2.0,M11.1.0"}
DATABASE_ZONE = "+05:00"

StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def clock_url(mariadb: DatabaseServer) -> str:
    return mariadb_with_tables(mariadb, "tm_clocks")


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers that end with the test."""
    started: list[Server] = []

    def start(url: str, prefix: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Server:
        config = {"DATABASE_URL": url, "RETRY_DELAY": SECONDS}
        server = Server(config, 1, 2, env=env, prefix=prefix)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.remove()


@pytest.fixture
def database_zone(mariadb: DatabaseServer) -> Iterator[None]:
    """New connections to the database get this time zone."""
    before = mariadb.client("SELECT @@GLOBAL.time_zone").strip()
    mariadb.client(f"SET GLOBAL time_zone = '{DATABASE_ZONE}'")
    yield
    mariadb.client(f"SET GLOBAL time_zone = '{before}'")


def prepared(server: Server) -> Server:
    empty(server.database_url)
    register(server, "plain")
    return server


CASES: dict[str, dict[str, Any]] = {
    "a day ahead": {"prefix": DAY_AHEAD},
    "a day behind": {"prefix": DAY_BEHIND},
    "in Tokyo": {"env": TOKYO},
    "in Los Angeles": {"env": LOS_ANGELES},
    "a day ahead in Tokyo": {"prefix": DAY_AHEAD, "env": TOKYO},
}


@pytest.mark.parametrize("case", CASES)
def test_web_server_elsewhere_in_time(clock_url: str, start_server: StartServer, case: str) -> None:
    server = prepared(start_server(clock_url, **CASES[case]))
    check_it_is_moved(server, case)
    check_leases_and_waits(server, server)
    check_times_to_run(server)
    check_shown_times(server)


@pytest.mark.parametrize("case", [case for case in CASES if "prefix" not in CASES[case]])
def test_web_server_in_another_zone_on_sqlite(
    tmp_path: Path, start_server: StartServer, case: str
) -> None:
    """Here the two clocks are one, and only the zone can be wrong."""
    server = prepared(start_server(f"sqlite:///{tmp_path / 'queue.sqlite3'}", **CASES[case]))
    check_it_is_moved(server, case)
    check_leases_and_waits(server, server)
    check_times_to_run(server)
    check_shown_times(server)


@pytest.mark.usefixtures("database_zone")
def test_database_in_another_zone(
    mariadb: DatabaseServer, clock_url: str, start_server: StartServer
) -> None:
    server = prepared(start_server(clock_url))
    assert mariadb.client("SELECT TIMEDIFF(NOW(), UTC_TIMESTAMP())").startswith("05:00")
    check_leases_and_waits(server, server)
    check_times_to_run(server)
    check_shown_times(server)


def test_two_web_servers_that_disagree_by_two_days(
    clock_url: str, start_server: StartServer
) -> None:
    ahead = prepared(start_server(clock_url, prefix=DAY_AHEAD, env=TOKYO))
    behind = start_server(clock_url, prefix=DAY_BEHIND, env=LOS_ANGELES)
    check_leases_and_waits(ahead, behind)


def check_it_is_moved(server: Server, case: str) -> None:
    """Else the other checks would show nothing. The log tells the server's zone."""
    days = {DAY_AHEAD: 1, DAY_BEHIND: -1}.get(CASES[case].get("prefix", ()), 0)
    moved = server.call("GET", "/health")[1]["timestamp"] - time.time()
    assert abs(moved - days * 86400) < 600
    offset = {"JST": r"\+0900", "PST": "-0[78]00"}.get(
        CASES[case].get("env", {"TZ": ""})["TZ"][:3], ""
    )
    assert re.search(rf" {offset}", server.log())


def check_leases_and_waits(first: Server, second: Server) -> None:
    """Leases, delays and waits before a retry end after their seconds and not before, whichever
    of the two web servers is asked.
    """
    leased, beating, progressing, failed = create_plain(first, 4)
    began = time.monotonic()
    options = {"worker_id": "a", "limit": 4, "lease": SECONDS}
    taken = post(first, "/tasks/claim", options)["tasks"]
    assert [each["id"] for each in taken] == [leased, beating, progressing, failed]
    mine = {"worker_id": "a", "attempt": 1}
    post(second, f"/tasks/{failed}/fail", {**mine, "error": "e", "delay": SECONDS})
    (delayed,) = create(first, [{"type": "plain", "params": {"x": 1}, "delay": SECONDS}])
    assert claim(first) == claim(second) == {}

    time.sleep(SECONDS / 2)
    extended = time.monotonic()
    post(second, f"/tasks/{beating}/heartbeat", mine)
    post(first, f"/tasks/{progressing}/progress", {**mine, "progress": 1})

    attempts, times = claim_until_five(first, second)
    assert attempts == {leased: 2, beating: 2, progressing: 2, failed: 2, delayed: 1}
    # A little less: the database's clock and this one may be adjusted at different paces.
    for task_id in (leased, failed, delayed):
        assert times[task_id] - began >= SECONDS * 0.95
    for task_id in (beating, progressing):
        assert times[task_id] - extended >= SECONDS * 0.95
    for server in (first, second):
        status, response = server.call("POST", f"/tasks/{leased}/complete", mine)
        assert (status, response["code"]) == (409, "lease_lost")
    post(second, f"/tasks/{leased}/complete", {"worker_id": "b", "attempt": 2})
    assert task(first, leased)["status"] == "completed"


def claim_until_five(first: Server, second: Server) -> tuple[dict[int, int], dict[int, float]]:
    """The attempt of each task that another worker gets, and when it got it."""
    attempts: dict[int, int] = {}
    times: dict[int, float] = {}
    deadline = time.monotonic() + END_SECONDS
    while len(attempts) < 5:
        for server in (first, second):
            got = claim(server)
            attempts.update(got)
            times.update(dict.fromkeys(got, time.monotonic()))
        assert time.monotonic() < deadline, attempts
        time.sleep(0.05)
    return attempts, times


def check_times_to_run(server: Server) -> None:
    """A time in the past is now, one in the future is not yet."""
    now = datetime.now(timezone.utc)
    past, future = now - timedelta(hours=1), now + timedelta(hours=1)
    runs = [
        {"type": "plain", "params": {"at": str(at)}, "run_at": at.isoformat()}
        for at in (past, future)
    ]
    at_once, waiting = create(server, runs)
    assert list(claim(server)) == [at_once]
    shown = datetime.fromisoformat(task(server, waiting)["run_at"].replace("Z", "+00:00"))
    assert abs(shown - future) < timedelta(milliseconds=2)


def check_shown_times(server: Server) -> None:
    """Times in responses are UTC by the database's clock, which here is right."""
    (task_id,) = create(server, [{"type": "plain", "params": {"shown": True}, "delay": 60}])
    found = task(server, task_id)
    check_near(found["created_at"], 0)
    check_near(found["run_at"], 60)
    (listed,) = get(server, "/tasks?limit=1")["tasks"]
    assert listed["created_at"] == found["created_at"]


def check_near(text: str, offset: float) -> None:
    shown = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert abs(shown.timestamp() - time.time() - offset) < 30


def claim(server: Server) -> dict[int, int]:
    """What another worker gets: ids with their attempts."""
    tasks = post(server, "/tasks/claim", {"worker_id": "b", "lease": 600, "limit": 5})["tasks"]
    return {each["id"]: each["attempts"] for each in tasks}
