"""POST /tasks with many tasks: all of them or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}


def many(count: int) -> dict[str, Any]:
    return {"tasks": [{"type": "job", "params": {"n": n}} for n in range(count)]}


def test_responses_in_the_order_sent(api: Api) -> None:
    api.register("job")
    response = api.post("/tasks", many(5))
    assert response.status == 201
    assert set(response.data) == {"tasks", "created", "deduplicated"}
    assert response.data["created"] == 5
    assert response.data["deduplicated"] == 0
    for n, each in enumerate(response.data["tasks"]):
        assert set(each) == {"id", "status", "deduplicated"}
        assert each["status"] == "pending"
        assert each["deduplicated"] is False
        assert api.task(each["id"])["params"] == {"n": n}


def test_a_thousand_at_once(api: Api) -> None:
    api.register("job")
    response = api.post("/tasks", many(1000))
    assert response.data["created"] == 1000
    assert len({each["id"] for each in response.data["tasks"]}) == 1000
    assert api.sql("SELECT COUNT(*) AS n FROM tasks")[0]["n"] == 1000


def test_more_than_a_thousand_are_refused(api: Api) -> None:
    api.register("job")
    with api.unchanged():
        response = api.post("/tasks", many(1001))
    assert response.code == "validation_failed"
    assert response.paths == ["tasks"]
    assert "1000" in response.error


def test_none_at_all(api: Api) -> None:
    response = api.post("/tasks", {"tasks": []})
    assert response.status == 201
    assert response.data == {"tasks": [], "created": 0, "deduplicated": 0}


def test_each_has_its_own_options(api: Api) -> None:
    api.register("job")
    api.register("other", priority=3)
    tasks = [
        {"type": "job", "params": {"n": 1}, "priority": 9, "tags": ["a"], "max_attempts": 7},
        {"type": "other", "params": {}, "delay": 500},
        {"type": "job", "params": {"n": 1}, "dedupe": False},
    ]
    ids = [each["id"] for each in api.post("/tasks", {"tasks": tasks}).data["tasks"]]
    first, second, third = (api.task(each) for each in ids)
    assert (first["priority"], first["tags"], first["max_attempts"]) == (9, ["a"], 7)
    assert second["type"] == "other"
    assert second["priority"] == 3
    assert second["run_at"] is not None
    assert third["priority"] == 0


BAD: dict[str, tuple[Any, str, list[str]]] = {
    "no object": (5, "validation_failed", ["tasks[1]"]),
    "null": (None, "validation_failed", ["tasks[1]"]),
    "no type": ({"params": {}}, "validation_failed", ["tasks[1].type"]),
    "bad field": (
        {"type": "job", "params": {}, "delay": "x"},
        "validation_failed",
        ["tasks[1].delay"],
    ),
    "two bad fields": (
        {"type": "job", "params": 1, "tags": {}},
        "validation_failed",
        ["tasks[1].params", "tasks[1].tags"],
    ),
    "unknown type": ({"type": "no.such", "params": {}}, "unknown_type", ["tasks[1].type"]),
    "inactive type": ({"type": "old", "params": {}}, "validation_failed", ["tasks[1].type"]),
    "against the schema": (
        {"type": "job", "params": {"n": "one"}},
        "validation_failed",
        ["tasks[1].params.n"],
    ),
    "run_at and delay": (
        {"type": "job", "params": {}, "delay": 1, "run_at": "2099-01-01T00:00:00Z"},
        "validation_failed",
        ["tasks[1].delay"],
    ),
    "dedupe false with a key": (
        {"type": "job", "params": {}, "dedupe": False, "dedupe_key": "k"},
        "validation_failed",
        ["tasks[1].dedupe_key"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_task_spoils_all(api: Api, name: str) -> None:
    task, code, paths = BAD[name]
    api.register("job", NUMBER)
    api.register("old")
    api.post("/task-types/old/deactivate")
    good = [{"type": "job", "params": {"n": n}} for n in range(3)]
    with api.unchanged():
        response = api.post("/tasks", {"tasks": [good[0], task, good[1], good[2]]})
    assert response.code == code
    assert response.paths == paths


def test_validation_errors_of_all_tasks_are_told_at_once(api: Api) -> None:
    api.register("job", NUMBER)
    tasks = [{"type": "job", "params": {"n": each}} for each in (1, "two", 3, None, 5.5)]
    response = api.post("/tasks", {"tasks": tasks})
    assert response.paths == ["tasks[1].params.n", "tasks[3].params.n", "tasks[4].params.n"]


def test_one_too_large_spoils_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "max_params_bytes", 100)
    api.register("job")
    tasks = [{"type": "job", "params": {"a": text}} for text in ("x", "y" * 200)]
    with api.unchanged():
        response = api.post("/tasks", {"tasks": tasks})
    assert response.code == "too_large"
    assert "tasks[1]" in response.error


def test_unknown_fields_are_named_with_their_place(api: Api) -> None:
    api.register("job")
    body = {"tasks": [{"type": "job", "params": {}, "prio": 1}], "type": "job"}
    response = api.post("/tasks", body)
    assert response.status == 201
    assert sorted(response.warnings) == [
        "unknown field 'tasks[0].prio' was ignored",
        "unknown field 'type' was ignored",
    ]


def test_each_has_its_line_of_history(api: Api) -> None:
    api.register("job")
    for each in api.post("/tasks", many(3)).data["tasks"]:
        assert [line["status"] for line in api.history(each["id"])] == ["pending"]
