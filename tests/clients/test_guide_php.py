"""What a PHP worker's guide has to be pasted, with another host and key.

docs/guides.md says which block of it each test is for.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.support import EXAMPLES, Programs, Shell, with_key
from tests.support.net import wait_until
from tests.worker.support import Queue

GUIDES = Path(__file__).with_name("guides")
FOLDER = EXAMPLES / "workers" / "php"
CLIENT = EXAMPLES / "php" / "WorkerClient.php"
SECONDS = 60

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def shell(tmp_path: Path, queue: Queue) -> Iterator[Shell]:
    """A terminal in a folder with the worker's files. The key is in the address, which stands in
    the place of the guide's.
    """
    for name in ("worker.php", "WorkerClient.php", "TaskManagerClient.php"):
        shutil.copy(EXAMPLES / "php" / name, tmp_path)
    started = Shell(tmp_path, API=with_key(queue), CLIENT=str(CLIENT))
    yield started
    started.end()


def paste(folder: Path, name: str) -> None:
    """Puts functions into the worker.php of a folder, before its last line."""
    worker = folder / "worker.php"
    head, last, end = worker.read_text("utf-8").rpartition("exit(main(")
    text = (GUIDES / name).read_text("utf-8")
    worker.write_text(f"{head}{text}\n{last}{end}", "utf-8")


def test_the_quick_start(queue: Queue, shell: Shell) -> None:
    shell.start(f"cd {EXAMPLES.parent} && cd examples/workers/php && php worker.php --api-url=$API")
    created = shell.run(
        """
        curl -s -X POST $API/tasks \\
          -H "Content-Type: application/json" \\
          -d '{
            "type": "example.echo",
            "params": {
              "message": "Hello!"
            }
          }'
        """
    )
    assert '"success":true' in created
    (task,) = queue.of_type("example.echo")
    assert queue.wait_for(task["id"], "completed")["result"] == {"echoed": "Hello!"}


def test_the_files(shell: Shell) -> None:
    script = "cd {} && ls -l examples/workers/php/ && chmod +x examples/workers/php/worker.php"
    listed = shell.run(script.format(EXAMPLES.parent))
    assert " worker.php" in listed
    assert " WorkerClient.php" in listed
    assert "--max-runs" in shell.run(f"{FOLDER}/worker.php --help")


@pytest.mark.parametrize(
    ("options", "worker_id"),
    [
        ('--worker-id=prod-1 --type-pattern="example.%" --poll-interval=5', "prod-1"),
        ("--worker-id=dev-worker --debug", "dev-worker"),
        ("--max-runs=100", "from the environment"),
        ("--debug", "from the environment"),
    ],
)
def test_options(queue: Queue, shell: Shell, options: str, worker_id: str) -> None:
    ids = [queue.create("example.echo", {"message": str(n)}) for n in range(2)]
    shell.start(f"php worker.php --api-url=$API {options}", WORKER_ID="from the environment")
    for task_id in ids:
        assert queue.wait_for(task_id, "completed")["claimed_by"] == worker_id


def test_environment_variables(queue: Queue, shell: Shell) -> None:
    task_id = queue.create("example.echo", {"message": "m"})
    shell.start(
        """
        export TASKMANAGER_API_URL=$API
        export WORKER_ID=prod-worker-02
        export TASK_TYPE_PATTERN="example.%"
        export POLL_INTERVAL=5
        export DEBUG=false

        php worker.php
        """
    )
    assert queue.wait_for(task_id, "completed")["claimed_by"] == "prod-worker-02"


def test_in_the_background_with_a_log(queue: Queue, shell: Shell) -> None:
    ids = [queue.create("example.echo", {"message": str(n)}) for n in range(3)]
    bad = queue.create("example.error", {"message": "broken", "permanent": True})
    shell.run(
        """
        nohup php worker.php --api-url=$API > worker.log 2>&1 &
        echo $! > worker.pid
        """
    )
    for task_id in (*ids, bad):
        queue.wait_for(task_id, "completed", "failed")
    log = shell.folder / "worker.log"
    wait_until(lambda: log.read_text().count(": Completed") == 3, SECONDS, "the log")
    assert shell.run('grep "Completed successfully" worker.log | wc -l').strip() == "3"
    assert "broken" in shell.run('grep "Failed:" worker.log')
    assert "broken" in shell.run("grep ERROR worker.log")
    assert "worker" in shell.run("tail -n 100 worker.log")
    days = shell.run("grep 'Completed successfully' worker.log | awk '{print $1,$2}' | uniq -c")
    assert "task" in days
    shell.run("kill -TERM $(cat worker.pid)")
    wait_until(lambda: "claimed 4, completed 3, failed 1" in log.read_text(), SECONDS, "the end")


def test_process_task(queue: Queue, shell: Shell) -> None:
    for name in ("guide.text", "guide.fetch", "guide.outcome", "guide.other"):
        queue.register(name, max_attempts=1)
    paste(shell.folder, "handlers.inc.php")
    text = queue.create("guide.text", {"topic": "hosting", "style": "casual"})
    fetch = queue.create("guide.fetch", {"url": f"{queue.url}/health"})
    outcome = queue.create("guide.outcome", {"wanted": 5})
    own = queue.create("example.echo", {"message": "m"})
    failing = {
        queue.create("guide.text", {"topic": "t"}): "Missing required parameters",
        queue.create("guide.fetch", {"url": f"{queue.url}/x"}): "The page answered HTTP 4",
        queue.create("guide.outcome"): "wanted is missing",
        queue.create("guide.other"): "Unknown task type: guide.other",
    }
    output = shell.run("php worker.php --api-url=$API --until-empty")
    assert f"begin {text}" in output
    assert queue.task(text)["result"]["metadata"] == {"requested_length": 1000}
    assert queue.task(fetch)["result"]["status"] == 200
    assert queue.task(outcome)["result"]["data"] == {"got": 5}
    assert queue.task(own)["result"] == {"echoed": "m"}
    for task_id, error in failing.items():
        task = queue.task(task_id)
        assert task["status"] == "failed"
        assert task["error_message"].startswith(error)


def test_process_task_takes_what_the_options_say(queue: Queue, shell: Shell) -> None:
    for name in ("guide.outcome", "other.kind"):
        queue.register(name)
    paste(shell.folder, "handlers.inc.php")
    ids = [queue.create("guide.outcome", {"wanted": 5}), queue.create("other.kind")]
    shell.run("php worker.php --api-url=$API --until-empty --type-pattern=guide.%")
    assert queue.statuses(ids) == ["completed", "pending"]
    again = queue.create("guide.outcome", {"wanted": 6})
    shell.run("php worker.php --api-url=$API --until-empty --task-types=guide.outcome")
    assert queue.statuses([again, ids[1]]) == ["completed", "pending"]


def test_callbacks_and_traces(queue: Queue, shell: Shell) -> None:
    queue.register("guide.wrapped")
    queue.register("guide.other", max_attempts=1)
    paste(shell.folder, "wrapped.inc.php")
    good, bad = queue.create("guide.wrapped"), queue.create("guide.other")
    notes = shell.folder / "notes"
    shell.run("php worker.php --api-url=$API --until-empty", NOTES=str(notes))
    trace = queue.task(good)["result"]["trace"]
    assert notes.read_text().splitlines()[0] == f"[{trace}] begin {good}"
    assert f"done {good} " in notes.read_text()
    assert f"error {bad} not this type" in notes.read_text()
    assert queue.task(bad)["error_message"] == "not this type"


def test_a_type_and_a_task_are_made(queue: Queue, shell: Shell) -> None:
    made, refused = shell.run(f"php {GUIDES / 'produce.php'}").splitlines()
    (task,) = queue.of_type("guide.text")
    assert made == f"#{task['id']}"
    assert "params" in refused


def test_a_client_of_ones_own(queue: Queue, shell: Shell) -> None:
    queue.register("guide.any", max_attempts=1)
    low = queue.create("guide.any", {"priority": 1})
    high = queue.create("guide.any", {"priority": 9})
    lines = shell.run(f"php {GUIDES / 'own_client.php'}")
    assert "bool(true)" in lines
    assert f"{high}: 50%" in lines
    assert queue.task(low)["error_message"] == "Not urgent"
    assert queue.task(high)["result"] == {"seen": 9}


def test_failed_tasks_are_listed(queue: Queue, shell: Shell) -> None:
    task_id = queue.create("example.error", {"message": "broken", "permanent": True})
    shell.run("php worker.php --api-url=$API --until-empty")
    assert '"error_message":"broken"' in shell.run("curl -s $API/tasks?status=failed")
    assert '"error_message":"broken"' in shell.run(f"curl -s $API/tasks/{task_id}")
    assert '"count":0' in shell.run("curl -s $API/tasks?status=pending")


def test_a_pool(queue: Queue, shell: Shell) -> None:
    ids = [queue.create("example.sleep", {"seconds": 0.5}) for _ in range(3)]
    (shell.folder / "logs").mkdir()
    output = shell.run(
        """#!/bin/bash
        WORKERS=3
        for i in $(seq 1 $WORKERS); do
            php worker.php \\
                --api-url=$API \\
                --worker-id=worker-$(hostname)-$i \\
                > logs/worker-$i.log 2>&1 &

            echo "Started worker $i (PID: $!)"
        done
        """
    )
    assert output.count("Started worker") == 3
    for task_id in ids:
        queue.wait_for(task_id, "completed")


def test_without_a_key_the_refusal_says_so(queue: Queue) -> None:
    programs = Programs(("php", str(FOLDER / "worker.php")), queue.url, "")
    try:
        code, output = programs.run("--until-empty")
    finally:
        programs.end()
    assert code == 3, output
    assert "Send the API key" in output
