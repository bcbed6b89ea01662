"""worker.conf and other files of settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.worker.support import Queue, Workers
from worker import read_config

TELL = """
@task('t.tell')
def f(params, job):
    return [job.worker_id, *[os.environ.get(name) for name in ('MAILER', 'REGION')]]
"""
FROM_FILE = {"TASKMANAGER_API_URL": "", "TASKMANAGER_API_KEY": ""}  # nothing in the environment

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@sqlite
@pytest.mark.parametrize("place", ["worker.conf", "--config", "WORKER_CONFIG"])
def test_a_file_has_everything(queue: Queue, workers: Workers, place: str) -> None:
    workers.write_handlers(TELL)
    (workers.folder / "handlers.py").rename(workers.folder / "mine.py")
    queue.register("t.tell")
    ids = [queue.create("t.tell") for _ in range(2)]
    path = workers.folder / ("worker.conf" if place == "worker.conf" else "my.env")
    path.write_text(
        "# the server\n[api]\n"
        f"API_URL={queue.url}\nexport API_KEY='{queue.key}'\n\n; the worker\n"
        'WORKER_ID = "from file"\nHANDLERS=mine.py\nMAX_RUNS=1\nTIMEOUT=20\nMAX_RETRIES=3\n'
        "MAILER=smtp://mail\nREGION=from file\n",
        "utf-8-sig",
    )
    options = ("--config", "my.env") if place == "--config" else ()
    env = {"WORKER_CONFIG": "my.env"} if place == "WORKER_CONFIG" else {}
    assert workers.run(*options, **FROM_FILE, **env, REGION="from environment")[0] == 0
    result = queue.task(ids[0])["result"]
    assert result == ["from file", "smtp://mail", "from environment"]
    assert queue.task(ids[1])["status"] == "pending"
    # Of two words the one nearer to the call counts.
    more = ("--worker-id", "from option")
    assert workers.run(*options, *more, **FROM_FILE, **env, WORKER_ID="from environment")[0] == 0
    assert queue.task(ids[1])["result"][0] == "from option"


@sqlite
def test_a_json_file_may_be_in_groups(queue: Queue, workers: Workers) -> None:
    workers.write_handlers(TELL)
    queue.register("t.tell")
    task_id = queue.create("t.tell")
    config = {
        "api": {"url": queue.url, "key": queue.key},
        "worker": {"id": "from json", "polling_interval": 5, "max_retries": 3, "timeout": 30},
        "logging": {"level": "debug", "file": "worker.log"},
        "performance": {"concurrent_tasks": 2, "memory_limit": "512M"},
        "until_empty": True,
    }
    (workers.folder / "config.json").write_text(json.dumps(config), "utf-8")
    assert workers.run("--config", "config.json", **FROM_FILE) == (0, "")
    assert queue.task(task_id)["result"] == ["from json", None, None]
    text = (workers.folder / "worker.log").read_text("utf-8")
    assert f"INFO task {task_id} t.tell: Completed successfully" in text
    assert " DEBUG " in text


def test_every_kind_of_json_value_becomes_a_text(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    document = {
        "worker": {"id": 7, "until_empty": True},
        "max_time": 2.5,
        "lock": None,
        "task_types": ["t.a", "t.b"],
        "metadata": {"region": "eu", "tier": 2},
    }
    path.write_text(json.dumps(document), "utf-8")
    found = read_config(path)
    # With its group's name, and without.
    assert (found["WORKER_ID"], found["UNTIL_EMPTY"]) == ("7", "True")
    assert (found["MAX_TIME"], found["TASK_TYPES"]) == ("2.5", "t.a,t.b")
    assert found["METADATA"] == "region=eu,tier=2"
    assert "LOCK" not in found


@sqlite
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("worker.conf", b"MAX_RUNS=1\nmax runs 5\n", "line 2 is not like NAME=value: max runs 5"),
        ("worker.conf", b"MAX_RUNS=many\n", "Invalid value for '--max-runs'"),
        ("worker.conf", b"WORKER_ID=\xff\n", "the settings in worker.conf cannot be read"),
        ("my.json", b'{"max_runs": 1', "the settings in my.json cannot be read"),
        ("my.json", b"[1]", "the settings in my.json cannot be read"),
        ("my.env", None, "the settings in my.env cannot be read: there is no such file"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_2(
    workers: Workers, name: str, content: bytes | None, sentence: str
) -> None:
    workers.write_handlers(TELL)
    if content is not None:
        (workers.folder / name).write_bytes(content)
    code, output = workers.run(*(() if name == "worker.conf" else ("--config", name)))
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output
