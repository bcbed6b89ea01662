"""The example handlers, each run by a worker against a real server."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.net import free_port
from tests.worker.support import EXAMPLES, Answering, Queue, Workers

OPTIONS = ("--handlers", str(EXAMPLES), "--register", "--until-empty")


def task_types() -> dict[str, dict[str, Any]]:
    """The list of the examples, read as a program without their imports reads it."""
    for node in ast.parse(EXAMPLES.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TASK_TYPES":
            assert node.value is not None
            return {each["name"]: each for each in ast.literal_eval(node.value)}
    raise AssertionError("examples/handlers.py has no TASK_TYPES")


def work(queue: Queue, workers: Workers, *tasks: tuple[str, dict[str, Any]]) -> list[Any]:
    """Registers the examples, has these tasks done, and returns them."""
    assert workers.run(*OPTIONS)[0] == 0
    ids = [queue.create(type_name, params) for type_name, params in tasks]
    assert workers.run(*OPTIONS)[0] == 0
    return [queue.task(task_id) for task_id in ids]


def test_every_schema_is_valid_and_closed() -> None:
    types = task_types()
    assert len(types) == 7
    for each in types.values():
        jsonschema.Draft202012Validator.check_schema(each["param_schema"])
        assert each["param_schema"]["additionalProperties"] is False
        assert set(each) == {"name", "version", "description", "param_schema"}


def test_the_simple_ones(queue: Queue, workers: Workers) -> None:
    done = work(
        queue,
        workers,
        ("example.echo", {"message": "žluťoučký 🐎"}),
        ("example.echo", {"message": "", "timestamp": "2025-11-07T18:00:00Z"}),
        ("example.uppercase", {"text": "straße"}),
        ("example.math.add", {"a": 2, "b": 0.5}),
        ("example.sleep", {"seconds": 0.3}),
    )
    assert [each["status"] for each in done] == ["completed"] * 5
    assert [each["result"] for each in done] == [
        {"echoed": "žluťoučký 🐎"},
        {"echoed": "", "timestamp": "2025-11-07T18:00:00Z"},
        {"result": "STRASSE", "length": 7},
        {"sum": 2.5},
        {"slept": 0.3},
    ]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_errors(queue: Queue, workers: Workers) -> None:
    again, never, infinite = work(
        queue,
        workers,
        ("example.error", {"message": "try again"}),
        ("example.error", {"permanent": True}),
        ("example.math.add", {"a": 1e308, "b": 1e308}),
    )
    assert (again["status"], again["attempts"]) == ("pending", 1)
    assert again["error_message"] == "RuntimeError: try again"
    assert "raise RuntimeError(message)" in again["error_traceback"]
    assert (never["status"], never["error_message"]) == ("failed", "this task always fails")
    assert infinite["status"] == "failed"
    assert "cannot be written as JSON" in infinite["error_message"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_are_digested(queue: Queue, workers: Workers, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    contents = {
        b"empty": b"",
        b"no newline at the end": b"one\ntwo",
        b"large": b"0123456789\r\n" * 300_000,
        b"caf\xe9 \n odd": b"\x00\n\xff\n",
    }
    tasks = []
    for name, content in contents.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        as_base64 = {"path_base64": base64.b64encode(path).decode()}
        tasks.append(as_base64 if b"\xe9" in name else {"path": path.decode()})
    done = work(queue, workers, *[("files.digest", params) for params in tasks])
    assert [each["result"] for each in done] == [
        {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "lines": content.count(b"\n"),
        }
        for content in contents.values()
    ]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_is_no_file_fails_for_good(queue: Queue, workers: Workers, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    wrong = [
        {"path": str(tmp_path / "missing")},
        {"path": str(tmp_path)},
        {"path": str(pipe)},
        {"path": "nul\0byte"},
        {"path_base64": "%%%"},
    ]
    done = work(queue, workers, *[("files.digest", params) for params in wrong])
    assert [each["status"] for each in done] == ["failed"] * 5
    assert [each["attempts"] for each in done] == [1] * 5
    messages = [each["error_message"] for each in done]
    assert "No such file" in messages[0]
    assert messages[1] == f"{tmp_path} is not a regular file"
    assert messages[2] == f"{pipe} is not a regular file"
    assert "embedded null" in messages[3]
    assert "path_base64 is not base64" in messages[4]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_addresses_are_checked(queue: Queue, workers: Workers) -> None:
    with Answering(404, b"x" * 20_000, {"Content-Type": "text/plain"}) as web:
        found, away, scheme, none = work(
            queue,
            workers,
            ("http.check", {"url": web.url}),
            ("http.check", {"url": f"http://127.0.0.1:{free_port()}/", "timeout": 5}),
            ("http.check", {"url": "ftp://127.0.0.1/"}),
            ("http.check", {"url": "no address"}),
        )
    assert (found["result"]["status"], found["result"]["size"]) == (404, 20_000)
    assert found["result"]["seconds"] >= 0
    assert away["status"] == "pending"
    assert "Connection refused" in away["error_message"]
    assert (scheme["status"], none["status"]) == ("failed", "failed")
    assert "not an address that can be checked" in scheme["error_message"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sleep_shows_its_progress_and_stops_when_cancelled(queue: Queue, workers: Workers) -> None:
    assert workers.run(*OPTIONS)[0] == 0
    task_id = queue.create("example.sleep", {"seconds": 600}, timeout=6)
    worker = workers.start(*OPTIONS)
    queue.wait_for(task_id, "claimed")
    queue.wait_for_progress(task_id)
    assert queue.server.call("POST", f"/tasks/{task_id}/cancel", {})[0] == 200
    ended = queue.wait_for(task_id, "cancelled")
    assert worker.wait(60) == 0
    assert "RuntimeError: cancelled after" in ended["error_message"]
    assert ended["progress_message"].endswith("of 600 s")
