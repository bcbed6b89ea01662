"""Calling the API: each way in which an answer can be wrong has its own clear error."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

import worker
from tests.support.net import free_port
from tests.support.server import Server
from tests.worker.support import Answering
from worker import ApiError, Client

JSON = {"Content-Type": "application/json"}
sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def refused(url: str, timeout: float = 30) -> ApiError:
    with pytest.raises(ApiError) as caught:
        Client(url, "key").call("POST", "/tasks/claim", {"worker_id": "w"}, timeout)
    return caught.value


@sqlite
def test_a_call_returns_the_whole_answer(server: Server) -> None:
    client = Client(server.url + "/", f" {server.api_key}\n")
    answer = client.call("GET", "/task-types")
    assert answer["success"] is True
    assert answer["data"] == {"task_types": [], "count": 0}


@sqlite
def test_a_refusal_brings_code_sentence_and_details(server: Server) -> None:
    with pytest.raises(ApiError) as caught:
        Client(server.url, server.api_key).call("POST", "/tasks/claim", {"limit": 0})
    error = caught.value
    assert (error.status, error.code, error.temporary) == (400, "validation_failed", False)
    assert {detail["path"] for detail in error.details} == {"worker_id", "limit"}
    assert error.message == str(error) != ""


def test_the_key_is_sent_and_no_netrc_file_gets_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_loopback = "127.0.0.2"
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {other_loopback} login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Answering(200, b'{"success": true}', JSON, other_loopback) as web:
        Client(web.url, "secret").call("GET", "/task-types")
    assert web.requests[0]["X-API-Key"] == "secret"
    assert "Authorization" not in web.requests[0]


@sqlite
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Client(server.url, server.api_key).call("GET", "/health")["success"] is True


def test_nobody_listening_is_temporary() -> None:
    error = refused(f"http://127.0.0.1:{free_port()}/api")
    assert (error.status, error.code, error.temporary) == (0, "unreachable", True)
    assert str(error).endswith("/api cannot be reached: Connection refused")


def test_silence_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refused(f"http://127.0.0.1:{silent.getsockname()[1]}/api", timeout=0.2)
    assert error.temporary
    assert str(error).endswith("no answer in time")


def test_an_html_page_is_temporary_whatever_its_status() -> None:
    for status in (200, 403, 404, 502):
        with Answering(status, b"<html>hello</html>", {"Content-Type": "text/html"}) as web:
            error = refused(web.url)
        assert (error.status, error.code, error.temporary) == (status, "not_json", True)
        assert f"answered HTTP {status}" in str(error)


def test_json_of_somebody_else_is_not_taken_for_an_answer() -> None:
    for body in (b"[]", b"{}", b'{"success": "yes"}', b"null"):
        with Answering(200, body, JSON) as web:
            assert refused(web.url).code == "not_json"


def test_a_page_that_says_too_large_is_not_temporary() -> None:
    with Answering(413, b"<html>too large</html>", {"Content-Type": "text/html"}) as web:
        assert not refused(web.url).temporary


def test_retry_after_is_kept_within_reason() -> None:
    body = json.dumps({"success": False, "error": "slow down", "code": "rate_limited"}).encode()
    for header, seconds in (("7", 7.0), ("999999", worker.LONGEST_RETRY_AFTER), ("soon", 0.0)):
        with Answering(429, body, {**JSON, "Retry-After": header}) as web:
            error = refused(web.url)
        assert (error.code, error.temporary, error.retry_after) == ("rate_limited", True, seconds)


def test_a_redirect_is_not_followed_but_told() -> None:
    with Answering(301, b"", {"Location": "https://example.com/api"}) as web:
        error = refused(web.url)
    assert (error.code, error.temporary) == ("redirected", False)
    assert "use that address" in str(error)


@pytest.mark.parametrize("url", ["", "example.com/api", "ftp://example.com/api", "http:///api"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address like"):
        Client(url, "key")


def test_a_key_that_no_header_can_hold_is_refused() -> None:
    for key in ("schlüssel", "two\nlines"):
        with pytest.raises(ValueError, match="printable ASCII"):
            Client("http://127.0.0.1/api", key)
