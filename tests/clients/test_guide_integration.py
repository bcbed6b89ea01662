"""What a worker integration guide has to be pasted, with another host and key.

docs/guides.md says which block of it each test is for.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.support import EXAMPLES, Shell, with_key
from tests.support.server import PROJECT
from tests.worker.support import Queue

GUIDES = Path(__file__).with_name("guides")

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def shell(tmp_path: Path, queue: Queue) -> Iterator[Shell]:
    """A terminal in a folder with the worker and handlers, where `python` has what it needs. The
    key is in the address, which stands in the place of the guide's.
    """
    shutil.copy(PROJECT / "worker.py", tmp_path)
    shutil.copy(EXAMPLES / "handlers.py", tmp_path)
    for name in ("worker.php", "TaskManagerClient.php"):
        shutil.copy(EXAMPLES / "php" / name, tmp_path)
    shutil.copy(EXAMPLES / "python" / "test_worker.py", tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = Shell(tmp_path, PATH=path, API=with_key(queue), OPEN=queue.url)
    yield started
    started.end()


@pytest.mark.parametrize(
    "command",
    [
        "python worker.py --api-url=$API --worker-id=worker-01 --debug",
        "php worker.php --api-url=$API --worker-id=worker-01 --debug",
    ],
)
def test_command_lines(queue: Queue, shell: Shell, command: str) -> None:
    task_id = queue.create("example.echo", {"message": "m"})
    shell.start(command, TASKMANAGER_API_KEY=queue.key)
    assert queue.wait_for(task_id, "completed")["claimed_by"] == "worker-01"


@pytest.mark.parametrize("program", ["python worker.py", "php worker.php"])
def test_the_environment(queue: Queue, shell: Shell, program: str) -> None:
    task_id = queue.create("example.echo", {"message": "m"})
    shell.start(
        f"""
        export TASKMANAGER_API_URL=$OPEN
        export WORKER_ID=worker-01
        export DEBUG=true
        {program}
        """,
        TASKMANAGER_API_KEY=queue.key,
    )
    assert queue.wait_for(task_id, "completed")["claimed_by"] == "worker-01"


def test_a_configuration_file(queue: Queue, shell: Shell) -> None:
    task_id = queue.create("example.echo", {"message": "m"})
    lines = (
        "# worker.conf",
        f"TASKMANAGER_API_URL={queue.url}",
        "WORKER_ID=worker-01",
        "POLL_INTERVAL=10",
        "DEBUG=false",
    )
    (shell.folder / "worker.conf").write_text("\n".join(lines), "utf-8")
    shell.start("python worker.py", TASKMANAGER_API_KEY=queue.key)
    assert queue.wait_for(task_id, "completed")["claimed_by"] == "worker-01"


def test_handlers_that_return_whether_they_succeeded(queue: Queue, shell: Shell) -> None:
    for name in ("guide.custom", "guide.other"):
        queue.register(name, max_attempts=1)
    good = queue.create("guide.custom", {"required_param": 5})
    bad = queue.create("guide.custom")
    other = queue.create("guide.other")
    shell.run(f"python {GUIDES / 'integration_worker.py'}")
    result = queue.task(good)["result"]
    assert (result["success"], result["data"]["got"]) == (True, 5)
    assert queue.task(bad)["error_message"] == "required_param is missing"
    assert queue.task(other)["error_message"] == "no handler for guide.other"
    assert queue.statuses([good, bad, other]) == ["completed", "failed", "failed"]


def test_it_ends_after_so_many_errors_in_a_row(queue: Queue, shell: Shell) -> None:
    queue.register("guide.other", max_attempts=1)
    queue.create_many("guide.other", 7)
    assert shell.run(f"python {GUIDES / 'integration_worker.py'}") == "too many errors\n"
    statuses = [task["status"] for task in queue.of_type("guide.other")]
    assert (statuses.count("failed"), statuses.count("pending")) == (5, 2)


def test_lists_and_statistics_by_curl(queue: Queue, shell: Shell) -> None:
    """Braces in an address are curl's own: it asks for the worker between them."""
    done = queue.create("example.echo", {"message": "m"})
    shell.run("php worker.php --api-url=$API --worker-id=worker_id --until-empty")
    waiting = queue.create("example.echo", {"message": "n"})
    assert f'"id":{waiting},' in shell.run("curl -s $API/tasks?status=pending")
    assert '"count":0' in shell.run("curl -s $API/tasks?status=failed")
    assert '"done":1' in shell.run("curl -s $API/workers/{worker_id}/stats")
    assert '"status":"completed"' in shell.run(f"curl -s $API/tasks/{{{done}}}")
    assert '"status":"healthy"' in shell.run("curl -s $OPEN/health")


def test_tasks_to_try_a_worker_with(queue: Queue, shell: Shell) -> None:
    env = {"TASKMANAGER_API_URL": queue.url, "TASKMANAGER_API_KEY": queue.key}
    assert shell.run("python test_worker.py --num-tasks=5", **env) == "added 5 tasks\n"
    assert shell.run("python test_worker.py --num-tasks=1", **env) == "added 1 task\n"
    shell.run("python test_worker.py --num-tasks=5", **env)
    shell.run("python worker.py --until-empty", **env)
    tasks = queue.server.call("GET", "/tasks?limit=100")[1]["data"]["tasks"]
    assert [task["status"] for task in tasks] == ["completed"] * 11


def test_what_keeps_tasks_from_being_added_is_said(queue: Queue, shell: Shell) -> None:
    script = "python test_worker.py 2>&1 || echo code $?"
    refused = shell.run(script, TASKMANAGER_API_URL=queue.url, TASKMANAGER_API_KEY="wrong")
    assert refused.splitlines() == ["The API key is not the right one", "code 1"]
    away = shell.run(script, TASKMANAGER_API_URL="http://127.0.0.1:9/api")
    assert away.startswith("no answer from the API: ")
