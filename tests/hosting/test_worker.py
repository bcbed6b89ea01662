"""worker.py against a site behind a real Apache."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest

from tests.hosting.conftest import Host
from tests.support.server import API_KEY
from tests.worker.support import Workers, finish

HANDLERS = """
@task("slashes.do")
def wait(params):
    time.sleep(2)
"""


@pytest.mark.parametrize("server", ["cgi", "passenger"])
def test_a_worker_whose_name_has_slashes(
    host: Host, server: str, base: str, tmp_path: Path
) -> None:
    hosted = host(server, base, "sqlite")
    assert hosted.api(
        "POST", "/task-types/register", {"name": "slashes.do", "version": "1", "param_schema": {}}
    ).status in (200, 201)
    task = {"type": "slashes.do", "params": {}, "dedupe": False}
    assert hosted.api("POST", "/tasks", task).status == 201
    workers = Workers(tmp_path, hosted.apache.url, API_KEY)
    try:
        workers.write_handlers(HANDLERS)
        name = f"mail team/{server}/1 é"
        # It is in the list when it has begun to work, and leaves it at its end.
        code, output = finish(workers.start("--until-empty", "--worker-id", name))
    finally:
        workers.end()
    assert (code, "completed 1" in output) == (0, True), output
    entry = hosted.api("GET", f"/workers/{urllib.parse.quote(name)}").json["data"]
    assert entry["registered_at"] is not None
    assert entry["deregistered_at"] is not None
