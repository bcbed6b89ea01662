"""Calling the API: each way in which an answer can be wrong has its own clear error."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import worker
from tests.support.net import HOST, free_port
from tests.support.server import Server
from tests.worker.support import Answering, Queue, Workers
from worker import ApiError, Client

JSON = {"Content-Type": "application/json"}
sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def refused(url: str, timeout: float = 30) -> ApiError:
    with pytest.raises(ApiError) as caught:
        Client(url, "key").call("POST", "/tasks/claim", {"worker_id": "w"}, timeout)
    return caught.value


class InPieces:
    """A server without TCP_NODELAY that writes a response as uWSGI's HTTP router does."""

    BODY = json.dumps({"success": True, "text": "x" * 10_000}).encode()

    def __enter__(self) -> InPieces:
        self._listener = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}/api"
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection = self._listener.accept()[0]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        response = head % len(self.BODY) + self.BODY
        with connection:
            while connection.recv(65536):
                for start in range(0, len(response), 4096):
                    connection.sendall(response[start : start + 4096])


@sqlite
def test_a_call_returns_the_whole_answer(server: Server) -> None:
    client = Client(server.url + "/", f" {server.api_key}\n")
    response = client.call("GET", "/task-types")
    assert response["success"] is True
    assert response["data"] == {"task_types": [], "count": 0}


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


def test_the_rest_of_a_response_is_not_held_back() -> None:
    """A server that sends a response in pieces, each when the one before has been acknowledged."""
    with InPieces() as server:
        client = Client(server.url, "key")
        taken = []
        for _ in range(40):
            begun = time.monotonic()
            client.call("GET", "/task-types")
            taken.append(time.monotonic() - begun)
    # Linux acknowledges what comes first on a connection at once in any case, later it waits 40 ms.
    assert min(taken[20:]) < 0.03


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


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_login_in_the_address_is_sent_as_basic_authentication() -> None:
    with Answering(200, b'{"success": true}', JSON) as web:
        for login, sent in [
            ("x:k%C3%A9y%40%2F", "x:kéy@/"),
            ("user:a:b", "user:a:b"),
            ("user", "user:"),
            (":key", ":key"),
        ]:
            client = Client(web.url.replace("//", f"//{login}@"), "")
            client.call("GET", "/task-types")
            assert web.requests[-1]["Authorization"] == basic(sent)
            assert "X-API-Key" not in web.requests[-1]
            assert client.api_url == web.url
            # What processes of handlers make of it is the same client.
            Client(*client.arguments).call("GET", "/task-types")
            assert web.requests[-1]["Authorization"] == basic(sent)
        Client(web.url.replace("//", "//x:y@"), "key").call("GET", "/task-types")
        assert web.requests[-1]["X-API-Key"] == "key"


@pytest.mark.parametrize(
    "url",
    [
        *["htp://x:secret@host/api", "x:secret@host/api", "http://x:secret@/api"],
        *["http://x:sec#ret@host/api", "http://x:secret@host:port/api", "http://x:secret@[host"],
    ],
)
def test_a_login_in_an_address_that_is_none_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="is no address like") as caught:
        Client(url, "key")
    assert "sec" not in str(caught.value)


@sqlite
def test_a_login_is_never_printed(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(server)
    workers = Workers(tmp_path, queue.url, queue.key)
    workers.write_handlers(
        """
        @task("t.do")
        def f(params):
            return 1
        """
    )
    good = queue.url.replace("//", "//user:secret@")
    away = f"http://user:secret@127.0.0.1:{free_port()}/api"
    for url, code in ((good, 0), (away, 1), (good + "/elsewhere", None)):
        found, output = workers.run("--until-empty", "--debug", "--lock", url=url)
        assert code in (found, None), output
        assert "secret" not in output
    with caplog.at_level(logging.DEBUG), pytest.raises(ApiError) as caught:
        Client(away, retries=1).get(1)
    assert "secret" not in f"{caught.value!r} {caught.value} {caplog.text}"


def test_a_bundle_of_certificates_counts_for_this_machine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    new = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", *new, "-days", "2", *subject]
    subprocess.run(command, check=True, capture_output=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"success": true}')

        def log_message(self, *_: object) -> None:
            pass

    web = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
    url = f"https://localhost:{web.server_port}/api"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    try:
        assert "certificate verify failed" in str(refused(url))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(certificate))
            assert Client(url, "key").call("GET", "/health") == {"success": True}
            monkeypatch.delenv(name)
    finally:
        web.shutdown()
        web.server_close()
