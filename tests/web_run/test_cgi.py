"""A host with CGI and without cron: its tasks are done by pings alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.install.entry import CGI
from tests.support.apache import Apache
from tests.support.site import InstalledSite
from tests.web_run.conftest import TOKEN

TASKS = 500
HANDLERS = """
import time

from worker import task


@task("short")
def short(params):
    time.sleep(0.01)
    with open("done", "a") as file:
        file.write(f"{params['n']}\\n")
"""


@pytest.fixture
def apache() -> Iterator[tuple[InstalledSite, Apache]]:
    settings = {
        "DATABASE_URL": "sqlite:///data/queue.sqlite3",
        "RUN_TOKEN": TOKEN,
        "RUN_SECONDS": 5,
    }
    with InstalledSite(CGI, "/queue", settings) as site:
        site.replace(str((site.home / "handlers.py").relative_to(site.root)), HANDLERS)
        with Apache(site.document_root, "cgi", "/queue") as apache:
            yield site, apache


def test_five_hundred_tasks(apache: tuple[InstalledSite, Apache]) -> None:
    site, server = apache
    body = {"name": "short", "version": "1", "param_schema": {}}
    assert server.api("POST", "/task-types/register", body).status == 201
    tasks = [{"type": "short", "params": {"n": n}} for n in range(TASKS)]
    assert server.api("POST", "/tasks", {"tasks": tasks}).status == 201
    pings = 0
    while True:
        with ThreadPoolExecutor(2) as pool:  # two at a time: one of them is refused
            responses = list(
                pool.map(lambda _: server.api("GET", f"/run?token={TOKEN}", None, {}), range(2))
            )
        assert {each.status for each in responses} <= {200, 409}, responses
        ended = [each for each in responses if each.status == 200]
        assert ended
        if any(each.data["remaining"] == 0 for each in ended):
            break
        pings += 1
        assert pings < 60
    done = (site.home / "done").read_text("utf-8").split()
    assert sorted(map(int, done)) == list(range(TASKS))
    assert "completed" in (site.home / "logs" / "run.log").read_text("utf-8")
