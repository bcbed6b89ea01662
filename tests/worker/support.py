"""What the worker's tests share: queues, worker processes, a server that always says the same."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.net import HOST, wait_until
from tests.support.server import PROJECT, Server

EXAMPLES = PROJECT / "examples" / "handlers.py"
SECONDS = 60


class Queue:
    """A server's queue in a test's words."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url
        self.key = server.api_key

    def register(self, name: str, **settings: Any) -> None:
        body = {"name": name, "version": "1", "param_schema": {}, **settings}
        assert self.server.call("POST", "/task-types/register", body)[0] in (200, 201)

    def create(self, type_name: str, params: Mapping[str, Any] | None = None, **more: Any) -> int:
        body = {"type": type_name, "params": params or {}, "dedupe": False, **more}
        status, response = self.server.call("POST", "/tasks", body)
        assert status == 201, response
        return int(response["data"]["id"])

    def create_many(self, type_name: str, count: int) -> list[int]:
        return [self.create(type_name, {"number": number}) for number in range(count)]

    def task(self, task_id: int) -> dict[str, Any]:
        status, response = self.server.call("GET", f"/tasks/{task_id}")
        assert status == 200, response
        task: dict[str, Any] = response["data"]
        return task

    def attempts_left(self, task_id: int) -> int:
        """How many more attempts the task may have. A claim that was given back costs none,
        however it is counted.
        """
        task = self.task(task_id)
        return int(task["max_attempts"]) - int(task["attempts"])

    def statuses(self, task_ids: list[int]) -> list[str]:
        return [self.task(task_id)["status"] for task_id in task_ids]

    def lease_of(self, task_id: int) -> float:
        """How many seconds after its claim the task's lease ends; 0 while it has none."""
        task = self.task(task_id)
        if not task["lease_expires_at"]:
            return 0.0
        begin, end = (
            datetime.fromisoformat(task[name].replace("Z", "+00:00"))
            for name in ("claimed_at", "lease_expires_at")
        )
        return (end - begin).total_seconds()

    def of_type(self, type_name: str) -> list[dict[str, Any]]:
        """All tasks of a type, newest first."""
        status, response = self.server.call("GET", f"/tasks?type={type_name}&limit=100")
        assert status == 200, response
        tasks: list[dict[str, Any]] = response["data"]["tasks"]
        return tasks

    def changes(self, task_id: int, status: str) -> int:
        """How often the task came into this status."""
        _, response = self.server.call("GET", f"/tasks/{task_id}/history")
        return [change["status"] for change in response["data"]["history"]].count(status)

    def wait_for(self, task_id: int, *statuses: str) -> dict[str, Any]:
        wait_until(
            lambda: self.task(task_id)["status"] in statuses,
            SECONDS,
            f"task {task_id} to be {' or '.join(statuses)}",
        )
        return self.task(task_id)

    def wait_for_progress(self, task_id: int) -> None:
        wait_until(lambda: self.task(task_id)["progress"], SECONDS, f"progress of task {task_id}")


class Workers:
    """Worker processes with a handlers.py of the test's own, ended with the test."""

    def __init__(self, folder: Path, url: str, key: str) -> None:
        self.folder = folder
        self.url, self.key = url, key
        self._started: list[subprocess.Popen[str]] = []

    def write_handlers(self, *sources: str) -> None:
        """Writes handlers.py from pieces of Python, each indented as its test is."""
        imports = "import os, time\nfrom worker import *\nfrom worker import task\n"
        text = imports + "\n".join(map(textwrap.dedent, sources))
        (self.folder / "handlers.py").write_text(text, "utf-8")

    def start(self, *options: str, url: str | None = None, **env: str) -> subprocess.Popen[str]:
        """Starts a worker in the test's folder. Its output is in `errors` once it has ended."""
        own = {"TASKMANAGER_API_URL": url or self.url, "TASKMANAGER_API_KEY": self.key}
        return self._start(str(PROJECT / "worker.py"), *options, **{**own, **env})

    def run(self, *options: str, url: str | None = None, **env: str) -> tuple[int, str]:
        """Runs a worker to its end: exit code and what it printed."""
        return finish(self.start(*options, url=url, **env))

    def start_program(self, source: str) -> subprocess.Popen[str]:
        """Starts a program of one's own that may import the worker."""
        (self.folder / "program.py").write_text(source, "utf-8")
        own = {"TASKMANAGER_API_URL": self.url, "TASKMANAGER_API_KEY": self.key}
        return self._start("program.py", **own, PYTHONPATH=str(PROJECT))

    def wait_for_file(self, name: str) -> None:
        """Waits until a handler has made this file."""
        path = self.folder / name
        wait_until(path.exists, SECONDS, f"a handler to make the file {name}")

    def wait_for_line(self, name: str) -> str:
        """Waits until a handler has written a line into this file, and returns it."""
        self.wait_for_file(name)
        path = self.folder / name
        wait_until(lambda: path.read_text().endswith("\n"), SECONDS, f"a line in the file {name}")
        return path.read_text().strip()

    def make_file(self, name: str) -> None:
        (self.folder / name).touch()

    def _start(self, program: str, *options: str, **env: str) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TASKMANAGER_")}
        process = subprocess.Popen(
            [sys.executable, program, *options],
            cwd=self.folder,
            env={**inherited, "TMPDIR": str(self.folder), "HOME": str(self.folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Waits for a worker's end: exit code and what it printed."""
    out, errors = process.communicate(timeout=SECONDS)
    return process.returncode, out + errors


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Reads what a worker logs up to the first line with this text, and returns that."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"the worker ended without logging {text!r}")


def is_running(process_id: int) -> bool:
    """Whether there is such a process; one that only waits to be buried does not count."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Answering:
    """A web server that gives every request the same answer, and keeps their headers."""

    def __init__(
        self, status: int, content: bytes, headers: Mapping[str, str], host: str = HOST
    ) -> None:
        self.requests: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer((host, 0), self._handler(status, content, headers))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(
        self, status: int, content: bytes, headers: Mapping[str, str]
    ) -> type[BaseHTTPRequestHandler]:
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(dict(self.headers.items()))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        return Handler
