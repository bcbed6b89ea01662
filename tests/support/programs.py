"""Running TaskManager's entry as other programs run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.support.http_client import Response
from tests.support.server import PROJECT

KEY = "test-key-of-a-good-length"


def environment(database_url: str, **more: str) -> dict[str, str]:
    """This process's environment with a site's settings in it."""
    own = {name: value for name, value in os.environ.items() if "TASKMANAGER" not in name}
    settings = {"TASKMANAGER_DATABASE_URL": database_url, "TASKMANAGER_API_KEY": KEY}
    return {**own, **settings, **more}


class CgiResponse(Response):
    """What a CGI program printed, with what it logged and its exit code."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode("ascii").split("\r\n")]
        pairs = [(name, value) for name, value in headers]
        status = dict(pairs)["Status"]
        super().__init__(int(status.split()[0]), pairs, body)
        self.log = done.stderr.decode()
        self.exit_code = done.returncode


def run_cgi(
    database_url: str, method: str, path: str, body: Any = None, **variables: str
) -> CgiResponse:
    """Execute passenger_wsgi.py with a CGI environment, as a web server does."""
    payload = b"" if body is None else json.dumps(body).encode()
    request = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "queue.example.net",
        "SERVER_PORT": "80",
        "SCRIPT_NAME": "",
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_X_API_KEY": KEY,
    }
    if payload:
        request["CONTENT_LENGTH"] = str(len(payload))
    done = subprocess.run(
        [sys.executable, str(PROJECT / "passenger_wsgi.py")],
        input=payload,
        capture_output=True,
        env=environment(database_url, **{**request, **variables}),
        cwd="/",
        timeout=60,
        check=False,
    )
    return CgiResponse(done)


def run_flask(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A ``flask`` command on TaskManager."""
    command = [sys.executable, "-m", "flask", "--app", "passenger_wsgi", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=PROJECT, timeout=60, check=False
    )
