"""Sites whose tasks are done by web runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server

TOKEN = "token-of-the-web-runs"


class RunSite:
    """A server with a file of handlers, and tasks for them."""

    def __init__(self, server: Server, handlers: Path) -> None:
        self.server = server
        self._handlers = handlers

    def write_handlers(self, source: str) -> None:
        text = "import os, sys, time\nfrom worker import task\n" + textwrap.dedent(source)
        self._handlers.write_text(text, "utf-8")

    def add(self, type_name: str, count: int = 1, **options: Any) -> list[int]:
        body = {"name": type_name, "version": "1", "param_schema": {}, **options}
        assert self.server.call("POST", "/task-types/register", body)[0] in (200, 201)
        tasks = [{"type": type_name, "params": {"n": n}, "dedupe": False} for n in range(count)]
        status, response = self.server.call("POST", "/tasks", {"tasks": tasks})
        assert status == 201, response
        return [each["id"] for each in response["data"]["tasks"]]

    def ping(self, path: str = f"/run?token={TOKEN}", method: str = "GET") -> Any:
        return self.server.api(method, path, headers={})

    def task(self, task_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.call("GET", f"/tasks/{task_id}")[1]["data"]
        return found


@pytest.fixture
def run_site(database_url: str, tmp_path: Path) -> Iterator[RunSite]:
    handlers = tmp_path / "handlers.py"
    (tmp_path / "logs").mkdir()
    settings = {
        "DATABASE_URL": database_url,
        "RUN_TOKEN": TOKEN,
        "RUN_SECONDS": 4,
        "RUN_HANDLERS": str(handlers),
        "RETRY_DELAY": 0,
    }
    env = {"TASKMANAGER_LOG_FILE": str(tmp_path / "logs" / "taskmanager.log")}
    server = Server(settings, env=env)
    server.start()
    try:
        yield RunSite(server, handlers)
    finally:
        server.remove()
