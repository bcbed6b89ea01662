"""Workers as guides' templates show them, pasted, with another host and key.

docs/guides.md says which block of it each test is for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.support import Programs
from tests.worker.support import Queue

GUIDES = Path(__file__).with_name("guides")
COMMANDS = {
    "node": ("node", str(GUIDES / "template_worker.cjs")),
    "php": ("php", str(GUIDES / "template_worker.php")),
    "python": (sys.executable, str(GUIDES / "template_worker.py")),
}

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
each_language = pytest.mark.parametrize("language", sorted(COMMANDS))


@pytest.fixture
def programs(language: str, queue: Queue) -> Iterator[Programs]:
    queue.register("task.type.1")
    queue.register("task.type.2", retry_delay=0.1, max_attempts=2)
    started = Programs(COMMANDS[language], queue.url, queue.key)
    yield started
    started.end()


def start(programs: Programs, queue: Queue, path: str) -> None:
    """With an address that has this path behind the host."""
    origin = queue.url[: -len("/api")]
    programs.start(API_URL=origin + path, API_KEY=queue.key, WORKER_ID="worker-001")


@each_language
@pytest.mark.parametrize("path", ["", "/api", "/v1"])
def test_ten_tasks(queue: Queue, programs: Programs, language: str, path: str) -> None:
    ids = [queue.create("task.type.1", {"n": n}) for n in range(10)]
    start(programs, queue, path)
    for n, task_id in enumerate(ids):
        task = queue.wait_for(task_id, "completed", "failed")
        assert (task["status"], task["attempts"]) == ("completed", 1)
        assert task["result"] == {"got": n, "as_parameters": n}
        assert task["claimed_by"] == "worker-001"


@each_language
def test_a_failure_brings_its_trace(queue: Queue, programs: Programs, language: str) -> None:
    task_id = queue.create("task.type.2")
    start(programs, queue, "")
    task = queue.wait_for(task_id, "failed")
    assert (task["attempts"], task["error_message"]) == (2, "not today")
    assert task["error_traceback"]
