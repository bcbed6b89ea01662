"""POST /tasks: one task."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api, seconds_between

PARAMS: list[Any] = [
    {},
    {"text": "Grüße, 世界 🎉", "ключ": 1},
    {"quotes": "'\"`\\ %s :name ; DROP TABLE tasks; --"},
    {"nested": {"list": [1, [2, {"three": None}]], "empty": {}, "none": []}},
    {"true": True, "false": False, "null": None, "zero": 0, "text": ""},
    {"big": 10**400, "negative": -(2**63), "small": 1e-300, "large": 1.7e308, "half": 0.5},
    {"control": "a\x00b\x1fc\u2028d", "lines": "one\r\ntwo\ttab"},
    {"": "an empty name", " ": "a blank one"},
]


def test_a_new_task_is_shown(api: Api) -> None:
    api.register("job")
    response = api.post("/tasks", {"type": "job", "params": {"n": 1}})
    assert response.status == 201
    assert set(response.data) == {"id", "type", "status", "priority", "dedupe_key", "created_at"}
    assert isinstance(response.data["id"], int)
    assert response.data["type"] == "job"
    assert response.data["status"] == "pending"
    assert response.data["priority"] == 0
    assert TIME.fullmatch(response.data["created_at"])
    assert response.warnings == []


def test_its_fields_are_at_the_top_level_too(api: Api) -> None:
    """Where scripts of a line look for them: ``curl … | jq .id``."""
    api.register("job")
    for status in (201, 200):
        response = api.post("/tasks", {"type": "job", "params": {"n": 1}})
        assert response.status == status
        assert {name: response.json[name] for name in response.data} == response.data
        assert set(response.json) == {"success", "message", "data", "timestamp", *response.data}
        assert response.json["success"] is True
    many = api.post("/tasks", {"tasks": [{"type": "job", "params": {"n": 2}}]})
    assert set(many.json) == {"success", "message", "data", "timestamp"}


@pytest.mark.parametrize("params", PARAMS, ids=range(len(PARAMS)))
def test_params_come_back_as_they_were_given(api: Api, params: Any) -> None:
    api.register("job")
    task = api.create("job", params, dedupe=False)
    assert api.task(task["id"])["params"] == params
    assert api.claim()["params"] == params


def test_an_empty_list_is_taken_as_an_empty_object(api: Api) -> None:
    api.register("job")
    response = api.post("/tasks", {"type": "job", "params": []})
    assert response.status == 201
    assert api.task(response.data["id"])["params"] == {}
    assert api.post("/tasks", {"type": "job", "params": {}}).data["id"] == response.data["id"]


def test_a_list_with_something_in_it_is_not_an_object(api: Api) -> None:
    api.register("job")
    response = api.post("/tasks", {"type": "job", "params": [1]})
    assert response.code == "validation_failed"
    assert response.paths == ["params"]


@pytest.mark.parametrize(
    ("of_type", "of_task", "expected"),
    [(None, None, 0), (7, None, 7), (7, -3, -3), (None, 5, 5), (7, 0, 0), (-2, None, -2)],
)
def test_priority(api: Api, of_type: int | None, of_task: int | None, expected: int) -> None:
    api.register("job", priority=of_type)
    task = api.create("job", priority=of_task)
    assert task["priority"] == expected
    assert api.task(task["id"])["priority"] == expected
    assert api.claim()["priority"] == expected


@pytest.mark.parametrize("priority", [-1_000_000, 1_000_000])
def test_extreme_priorities(api: Api, priority: int) -> None:
    api.register("job")
    assert api.task(api.create("job", priority=priority)["id"])["priority"] == priority


@pytest.mark.parametrize(
    ("of_type", "of_task", "expected"), [(None, None, 6), (4, None, 4), (4, 2, 2), (None, 1, 1)]
)
def test_max_attempts(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    of_type: int | None,
    of_task: int | None,
    expected: int,
) -> None:
    monkeypatch.setattr(api.site.settings, "max_task_attempts", 6)
    api.register("job", max_attempts=of_type)
    task = api.create("job", max_attempts=of_task)
    assert api.task(task["id"])["max_attempts"] == expected
    assert api.claim()["max_attempts"] == expected


def test_a_delayed_task_waits(api: Api) -> None:
    api.register("job")
    task = api.create("job", delay=1000.5)
    shown = api.task(task["id"])
    assert task["status"] == shown["status"] == "pending"
    assert seconds_between(task["created_at"], shown["run_at"]) == pytest.approx(1000.5, abs=0.01)
    assert api.claim() is None


def test_a_delayed_task_is_claimed_when_its_time_has_come(api: Api) -> None:
    api.register("job")
    task = api.create("job", delay=1000)
    api.make_due(task["id"])
    assert api.claim()["id"] == task["id"]
    assert api.task(task["id"])["run_at"] is None


def test_no_delay_at_all(api: Api) -> None:
    api.register("job")
    task = api.create("job", delay=0)
    assert api.task(task["id"])["run_at"] is None
    assert api.claim()["id"] == task["id"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2099-01-31T12:00:00Z", "2099-01-31T12:00:00.000Z"),
        ("2099-01-31T12:00:00.5Z", "2099-01-31T12:00:00.500Z"),
        ("2099-01-31T12:00:00.123456Z", "2099-01-31T12:00:00.123Z"),
        ("2099-01-31T12:00:00+02:00", "2099-01-31T10:00:00.000Z"),
        ("2099-01-31T23:00:00-03:30", "2099-02-01T02:30:00.000Z"),
        ("2099-01-31T12:00:00", "2099-01-31T12:00:00.000Z"),
        ("2099-01-31 12:00:00", "2099-01-31T12:00:00.000Z"),
        ("9998-12-31T23:59:59Z", "9998-12-31T23:59:59.000Z"),
    ],
)
def test_run_at(api: Api, given: str, expected: str) -> None:
    api.register("job")
    task = api.create("job", run_at=given)
    assert api.task(task["id"])["run_at"] == expected
    assert api.claim() is None


def test_a_time_in_the_past_means_now(api: Api) -> None:
    api.register("job")
    task = api.create("job", run_at="2001-01-01T00:00:00Z")
    assert api.task(task["id"])["run_at"] is None
    assert api.claim()["id"] == task["id"]


def test_run_at_and_delay_contradict_each_other(api: Api) -> None:
    api.register("job")
    body = {"type": "job", "params": {}, "run_at": "2099-01-01T00:00:00Z", "delay": 5}
    with api.unchanged():
        response = api.post("/tasks", body)
    assert response.code == "validation_failed"
    assert response.paths == ["delay"]


def test_tags_are_kept_in_order(api: Api) -> None:
    api.register("job")
    tags = ["zulu", "alpha", "with space", 'quo"te', "ünï🎉"]
    assert api.task(api.create("job", tags=tags)["id"])["tags"] == tags
    assert api.task(api.create("job")["id"])["tags"] == []


def test_an_unknown_type(api: Api) -> None:
    with api.unchanged():
        response = api.post("/tasks", {"type": "no.such", "params": {}})
    assert response.code == "unknown_type"
    assert response.paths == ["type"]
    assert "no.such" in response.error
    assert "/task-types/register" in response.error


def test_names_are_compared_exactly(api: Api) -> None:
    api.register("Job")
    api.register("Straße")
    for other in ("job", "JOB", "Strasse", "Jöb"):
        assert api.post("/tasks", {"type": other, "params": {}}).code == "unknown_type"


def test_an_inactive_type_takes_no_tasks(api: Api) -> None:
    api.register("job")
    api.post("/task-types/job/deactivate")
    with api.unchanged():
        response = api.post("/tasks", {"type": "job", "params": {}})
    assert response.code == "validation_failed"
    assert response.paths == ["type"]
    assert "activate" in response.error
    api.post("/task-types/job/activate")
    assert api.post("/tasks", {"type": "job", "params": {}}).status == 201


def test_a_paused_type_takes_tasks(api: Api) -> None:
    api.register("job")
    api.post("/task-types/job/pause")
    assert api.post("/tasks", {"type": "job", "params": {}}).status == 201


def test_unknown_fields_are_named(api: Api) -> None:
    api.register("job")
    response = api.post("/tasks", {"type": "job", "params": {}, "prioritty": 5, "x": None})
    assert response.status == 201
    assert response.warnings == [
        "unknown field 'prioritty' was ignored",
        "unknown field 'x' was ignored",
    ]


def test_every_validation_error_is_told_at_once(api: Api) -> None:
    body = {"params": "x", "priority": "high", "tags": "a", "delay": -1, "max_attempts": 0}
    response = api.post("/tasks", body)
    assert response.code == "validation_failed"
    assert sorted(response.paths) == ["delay", "max_attempts", "params", "priority", "tags", "type"]


def test_null_is_the_same_as_not_given(api: Api) -> None:
    api.register("job", priority=4)
    options = ("priority", "run_at", "delay", "max_attempts", "timeout", "dedupe", "dedupe_key")
    body: dict[str, Any] = {"type": "job", "params": {}, **dict.fromkeys(options), "tags": None}
    response = api.post("/tasks", body)
    assert response.status == 201
    assert response.data["priority"] == 4
    assert response.warnings == []


def test_params_have_a_longest_length(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "max_params_bytes", 1000)
    api.register("job")
    fits = {"a": "x" * (1000 - len('{"a":""}'))}
    assert api.post("/tasks", {"type": "job", "params": fits}).status == 201
    with api.unchanged():
        response = api.post("/tasks", {"type": "job", "params": {"a": fits["a"] + "x"}})
    assert response.code == "too_large"
    assert "1000" in response.error
    assert "MAX_PARAMS_BYTES" in response.error


def test_lengths_are_counted_in_bytes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "max_params_bytes", 1000)
    api.register("job")
    assert api.post("/tasks", {"type": "job", "params": {"a": "🎉" * 300}}).code == "too_large"


def test_the_default_length_of_params(api: Api) -> None:
    api.register("job")
    text = "x" * (256 * 1024 - len('{"a":""}'))
    task = api.create("job", {"a": text})
    assert api.task(task["id"])["params"] == {"a": text}
    assert api.post("/tasks", {"type": "job", "params": {"a": text + "x"}}).code == "too_large"
