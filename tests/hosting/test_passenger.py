"""The installed site as an application of a real Passenger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from app.install.entry import ask_for_restart
from tests.hosting import life
from tests.hosting.conftest import Host, Hosted
from tests.support.mariadb import MariaDB
from tests.support.net import wait_until
from tests.support.server import API_KEY
from tests.support.site import RELEASE


@pytest.fixture
def hosted(host: Host, base: str, engine: str) -> Hosted:
    return host("passenger", base, engine)


@pytest.fixture
def on_sqlite(host: Host, base: str) -> Hosted:
    return host("passenger", base, "sqlite")


@pytest.fixture
def on_mariadb(host: Host, base: str) -> Hosted:
    return host("passenger", base, "mariadb")


def _processes(hosted: Hosted) -> list[int]:
    """The application's processes: Python, in its folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if os.readlink(entry / "cwd") == str(hosted.site.web_folder):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return sorted(found)


def test_a_task_lives_its_whole_life(hosted: Hosted) -> None:
    life.live_a_whole_life(hosted, "passenger.life")


def test_eight_callers_at_once_get_no_error(hosted: Hosted) -> None:
    life.serve_eight_at_once(hosted, "passenger.eight")


def test_calls_without_the_prefix_and_with_basic(on_sqlite: Hosted) -> None:
    life.take_only_an_address(on_sqlite)


def test_the_key_arrives_in_both_headers(on_sqlite: Hosted) -> None:
    life.know_the_caller(on_sqlite)


def test_names_in_addresses_arrive_as_they_are(on_sqlite: Hosted) -> None:
    life.read_names(on_sqlite)


def test_bodies_of_megabytes_arrive_or_are_refused(on_sqlite: Hosted) -> None:
    life.take_two_megabytes(on_sqlite)


def test_head_is_without_a_body(on_sqlite: Hosted) -> None:
    life.respond_to_head(on_sqlite)


def test_a_body_in_chunks_is_read(on_sqlite: Hosted) -> None:
    life.register(on_sqlite, "passenger.chunks")
    path = f"{on_sqlite.site.base}/api/tasks"
    headers = {"X-API-Key": API_KEY, "Transfer-Encoding": "chunked"}
    body = json.dumps({"type": "passenger.chunks", "params": {"n": 1}}).encode()
    response = on_sqlite.apache.request("POST", path, body, headers, chunked=True)
    assert (response.status, response.json["data"]["type"]) == (201, "passenger.chunks")


def test_a_connection_that_the_database_cut_is_replaced(
    on_mariadb: Hosted, mariadb: MariaDB
) -> None:
    life.register(on_mariadb, "passenger.cut")
    for _ in range(3):
        for number in mariadb.client(
            "SELECT id FROM information_schema.processlist WHERE user = 'tm_tester'"
        ).split():
            mariadb.client(f"KILL {number}")
        claimed = on_mariadb.api("POST", "/tasks/claim", {"worker_id": "w", "limit": 1})
        assert claimed.status == 200, claimed
        listed = on_mariadb.api("GET", "/tasks?limit=1")
        assert listed.status == 200, listed


def test_a_killed_process_is_replaced(on_sqlite: Hosted) -> None:
    assert on_sqlite.api("GET", "/health").status == 200
    before = _processes(on_sqlite)
    assert before
    for process in before:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not set(before) & set(_processes(on_sqlite)), 30, "the end of the killed")
    wait_until(lambda: on_sqlite.api("GET", "/health").status == 200, 60, "a new process")
    assert not set(before) & set(_processes(on_sqlite))


def test_the_restart_file_brings_the_release_that_current_names(on_sqlite: Hosted) -> None:
    site = on_sqlite.site
    release = site.home / "releases" / "9.9.9-999999999999"
    subprocess.run(["cp", "-a", str(site.release), str(release)], check=True)
    (release / "app" / "version.py").write_text('VERSION = "9.9.9"\nSCHEMA_VERSION = 1\n', "utf-8")

    def switch(name: str) -> None:
        site.replace("app/taskmanager/current", name + "\n")
        ask_for_restart(site.web_folder)

    def version() -> str:
        response = on_sqlite.api("GET", "/health")
        assert response.status == 200, response
        return str(response.json["version"])

    before = version()
    switch(release.name)
    wait_until(lambda: version() == "9.9.9", 30, "the new release")
    switch(RELEASE)
    wait_until(lambda: version() == before, 30, "the old release")


def test_without_a_release_the_response_is_503_until_there_is_one(on_sqlite: Hosted) -> None:
    site = on_sqlite.site
    current = site.home / "current"
    current.rename(site.home / "elsewhere")
    ask_for_restart(site.web_folder)
    try:
        wait_until(lambda: on_sqlite.api("GET", "/health").status == 503, 30, "the new process")
        response = on_sqlite.api("GET", "/health")
        assert response.json["code"] == "unavailable"
        assert int(response.headers["retry-after"]) > 0
    finally:
        (site.home / "elsewhere").rename(current)
    wait_until(lambda: on_sqlite.api("GET", "/health").status == 200, 30, "the release")
    assert "no version can be served" in on_sqlite.apache.log()
