"""Bodies of callers without the key: the refusal arrives whole, and none holds a process up."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosting.conftest import Host, Hosted
from tests.support.net import HOST, wait_until
from tests.support.server import API_KEY, Server

MEGABYTE = b'{"filler": "' + b"x" * 1024 * 1024 + b'"}'
PATH = "/api/tasks/claim"
SECONDS = 2.0
"""How long a body that does not come may hold a process up."""
SLACK = 10.0
"""What else may take its time on a busy machine. Servers wait a minute for a body."""


def head(path: str, length: int, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def stalled(port: int, path: str) -> Iterator[socket.socket]:
    """A caller that promises a megabyte and sends ten bytes of it."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(head(path, len(MEGABYTE)) + MEGABYTE[:10])
        yield connection


def status_of(connection: socket.socket) -> int:
    with connection.makefile("rb") as reader:
        return int(reader.readline().split()[1])


def refused(connection: socket.socket) -> dict[str, object]:
    """The whole refusal: head, body, and not a byte fewer than it says."""
    with connection.makefile("rb") as reader:
        assert reader.readline().split()[1] == b"401"
        length = 0
        while line := reader.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = reader.read(length)
    assert len(body) == length > 0
    document: dict[str, object] = json.loads(body)
    return document


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("one") / "queue.sqlite3"
    with Server({"DATABASE_URL": f"sqlite:///{path}"}, workers=1, threads=1) as server:
        yield server


@pytest.fixture(params=["cgi", "cgid", "passenger"])
def hosted(request: pytest.FixtureRequest, host: Host) -> Hosted:
    return host(request.param, "/queue", "sqlite")


@pytest.fixture(params=["cgi", "cgid"])
def program(request: pytest.FixtureRequest, host: Host) -> Hosted:
    return host(request.param, "/queue", "sqlite")


@pytest.mark.parametrize("key", [None, "a-wrong-key"])
def test_a_megabyte_is_refused_whole(hosted: Hosted, key: str | None) -> None:
    headers = {"X-API-Key": key} if key else {}
    for path in (PATH, "/api/nothing", "/tasks/claim"):
        for _ in range(3):
            response = hosted.apache.request("POST", f"/queue{path}", MEGABYTE, headers)
            assert response.status in ((401,) if key is None else (401, 429)), response
            assert response.json["code"] in ("unauthorized", "rate_limited")


def test_sixteen_megabytes_too(hosted: Hosted) -> None:
    response = hosted.apache.request("POST", f"/queue{PATH}", MEGABYTE * 17)
    assert (response.status, response.json["code"]) == (401, "unauthorized")


def test_a_body_in_chunks_too(hosted: Hosted) -> None:
    headers = {"Transfer-Encoding": "chunked"}
    response = hosted.apache.request("POST", f"/queue{PATH}", MEGABYTE, headers, chunked=True)
    assert (response.status, response.json["code"]) == (401, "unauthorized")


def test_a_body_that_comes_late_is_refused_whole_too(hosted: Hosted) -> None:
    """Later than anybody waits for it."""
    with stalled(hosted.apache.port, f"/queue{PATH}") as connection:
        time.sleep(SECONDS)
        connection.sendall(MEGABYTE[10:])
        assert refused(connection)["code"] == "unauthorized"


def test_a_response_to_a_call_that_reads_no_body_is_whole(hosted: Hosted) -> None:
    key = {"X-API-Key": API_KEY}
    for path in ("/api/tasks?limit=1", "/api/health", "/nothing"):
        response = hosted.apache.request("GET", f"/queue{path}", MEGABYTE, key)
        assert isinstance(response.json["timestamp"], int)


def _programs(hosted: Hosted) -> list[str]:
    """The site's programs that are running."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if process.name.isdigit() and str(hosted.site.web_folder).encode() in command:
                found.append(process.name)
    return found


def test_a_body_that_never_comes_costs_a_program_two_seconds(program: Hosted) -> None:
    wait_until(lambda: not _programs(program), 30, "the end of earlier programs")
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(stalled(program.apache.port, f"/queue{PATH}"))
        wait_until(lambda: len(_programs(program)) > 0, 30, "the programs")
        started = time.monotonic()
        wait_until(lambda: not _programs(program), 30, "the end of the programs")
        assert time.monotonic() - started < SECONDS + SLACK


def _in_time(server: Server, call: Callable[[], object], count: int) -> None:
    started = time.monotonic()
    call()
    assert time.monotonic() - started < SECONDS * count + SLACK


def test_four_bodies_that_never_come_do_not_block_the_only_process(one_process: Server) -> None:
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(stalled(one_process.port, PATH)) for _ in range(4)]
        _in_time(one_process, lambda: one_process.call("GET", "/task-types"), 4)
        for connection in waiting:
            assert refused(connection)["code"] == "unauthorized"


def test_a_body_that_trickles_does_not_either(one_process: Server) -> None:
    """A byte now and then is no reason to wait for more."""
    with stalled(one_process.port, PATH) as connection:
        ended = time.monotonic() + SECONDS
        while time.monotonic() < ended:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")
            time.sleep(0.2)
        _in_time(one_process, lambda: one_process.call("GET", "/health"), 1)


def test_a_form_that_never_comes_does_not_either(one_process: Server) -> None:
    """Anybody may send the one that signs in."""
    with socket.create_connection((HOST, one_process.port), timeout=60) as connection:
        connection.sendall(head("/dashboard/sign-in", 400) + b"secret=")
        _in_time(one_process, lambda: one_process.call("GET", "/health"), 1)
        assert status_of(connection) == 403


def test_nor_does_it_hold_a_program_up(program: Hosted) -> None:
    wait_until(lambda: not _programs(program), 30, "the end of earlier programs")
    with socket.create_connection((HOST, program.apache.port), timeout=60) as connection:
        connection.sendall(head("/queue/dashboard/sign-in", 400) + b"secret=")
        wait_until(lambda: len(_programs(program)) > 0, 30, "the program")
        started = time.monotonic()
        wait_until(lambda: not _programs(program), 30, "the end of the program")
        assert time.monotonic() - started < SECONDS + SLACK


def test_a_megabyte_is_refused_whole_by_gunicorn(one_process: Server) -> None:
    for _ in range(5):
        status, response = one_process.call("POST", "/tasks/claim", MEGABYTE, headers={})
        assert (status, response["code"]) == (401, "unauthorized")


def test_a_small_body_is_not_waited_for(one_process: Server) -> None:
    """It has arrived with the head; nothing more is to come."""
    started = time.monotonic()
    for _ in range(20):
        assert one_process.call("POST", "/tasks/claim", {"worker_id": "w"}, headers={})[0] == 401
    assert time.monotonic() - started < 10
