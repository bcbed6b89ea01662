"""The calls that a test itself makes to prepare a queue and to look at the end of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.server import Server

BATCH = 500


def post(server: Server, path: str, body: Any) -> Any:
    """The ``data`` of a call that must succeed."""
    status, response = server.call("POST", path, body)
    assert status in (200, 201), (path, status, response)
    return response["data"]


def get(server: Server, path: str) -> Any:
    status, response = server.call("GET", path)
    assert status == 200, (path, status, response)
    return response["data"]


def register(server: Server, name: str, **options: Any) -> None:
    body = {"name": name, "version": "1", "param_schema": {"type": "object"}, **options}
    post(server, "/task-types/register", body)


def create(server: Server, tasks: Sequence[dict[str, Any]]) -> list[int]:
    """Create these tasks, in order; their ids."""
    ids: list[int] = []
    for start in range(0, len(tasks), BATCH):
        made = post(server, "/tasks", {"tasks": tasks[start : start + BATCH]})["tasks"]
        ids += [task["id"] for task in made]
    return ids


def create_plain(server: Server, count: int, first: int = 0) -> list[int]:
    """Create tasks whose params are numbers, counted from ``first``; their ids."""
    numbers = range(first, first + count)
    return create(server, [{"type": "plain", "params": {"number": each}} for each in numbers])


def task(server: Server, task_id: int) -> dict[str, Any]:
    found: dict[str, Any] = get(server, f"/tasks/{task_id}")
    return found


def history(server: Server, task_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(server, f"/tasks/{task_id}/history")["history"]
    return found


def ids_with_status(server: Server, status: str) -> set[int]:
    """The ids of all tasks that have this status now."""
    ids: set[int] = set()
    before = ""
    while True:
        page = get(server, f"/tasks?limit=100&status={status}{before}")
        ids |= {task["id"] for task in page["tasks"]}
        if page["next_before_id"] is None:
            return ids
        before = f"&before_id={page['next_before_id']}"
