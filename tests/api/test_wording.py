"""Words in calls and in answers: lists in any case, what scripts match, numbers, lengths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.caller import Api


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"sort_by": "created_at", "sort_order": "DESC"}, 1),
        ({"sort_by": "Created_At", "sort_order": "Asc"}, 0),
        ({"sort_by": "ID"}, 0),
        ({"sort_order": "DESC"}, 0),
    ],
)
def test_claims_take_words_in_any_case(api: Api, options: dict[str, str], first: int) -> None:
    api.register("job")
    ids = [api.create("job")["id"] for _ in range(2)]
    assert api.claim(**options)["id"] == ids[first]


def test_lists_take_words_in_any_case(api: Api) -> None:
    api.register("job")
    api.create("job")
    assert api.get("/tasks", status="PENDING").data["count"] == 1
    assert api.get("/tasks", status="Claimed").data["count"] == 0
    api.post("/task-types/job/deactivate")
    for word, count in (("TRUE", 0), ("True", 0), ("False", 1), ("FALSE", 1)):
        assert api.get("/task-types", active_only=word).data["count"] == count


@pytest.mark.parametrize("word", ["Forever", "FOREVER", "Active", "ACTIVE"])
def test_dedupe_in_any_case(api: Api, word: str) -> None:
    api.register("job", dedupe=word)
    assert api.get("/task-types/job").data["dedupe"] == word.lower()
    first = api.create("job", {"n": 1}, dedupe=word)
    assert api.create("job", {"n": 1}, dedupe=word)["id"] == first["id"]


def test_what_is_not_there_is_not_found(api: Api) -> None:
    api.register("job")
    for method, path, body in (
        ("GET", "/nothing", None),
        ("GET", "/tasks/999999999", None),
        ("GET", "/tasks/999999999/history", None),
        ("POST", "/tasks/999999999/complete", {}),
        ("POST", "/tasks/999999999/retry", {}),
        ("POST", "/tasks/999999999/release", {}),
        ("GET", "/task-types/no.such", None),
        ("POST", "/task-types/no.such/pause", {}),
        ("POST", "/tasks", {"type": "no.such", "params": {}}),
        ("GET", "/workers/no-such", None),
        ("GET", "/workers/%20", None),
    ):
        response = api.call(method, path, body)
        assert response.status == 404
        assert "not found" in response.error, response


def test_what_was_done_was_done_successfully(api: Api) -> None:
    kind = {"name": "job", "version": "1", "param_schema": {}}
    calls: list[tuple[str, Any]] = [
        ("/task-types/register", kind),
        ("/task-types/register", kind),
        *(
            (f"/task-types/job/{each}", {})
            for each in ("pause", "resume", "deactivate", "activate")
        ),
        ("/workers/register", {"worker_id": "w1"}),
        ("/workers/w1/heartbeat", {}),
        ("/tasks", {"type": "job", "params": {}}),
        ("/tasks", {"tasks": [{"type": "job", "params": {"n": 1}}]}),
        ("/tasks/claim", {"worker_id": "w1"}),
        ("/tasks/{id}/heartbeat", {}),
        ("/tasks/{id}/progress", {"progress": 5}),
        ("/tasks/heartbeat", {"tasks": [{"id": "{id}"}]}),
        ("/tasks/{id}/release", {}),
        ("/tasks/claim", {"worker_id": "w1", "limit": 1}),
        ("/tasks/{id}/cancel", {}),
        ("/tasks/{id}/fail", {"error": "x", "retry": False}),
        ("/tasks/{id}/retry", {}),
        ("/tasks/claim", {"worker_id": "w1", "limit": 1}),
        ("/tasks/{id}/complete", {}),
        ("/tasks/settle", {"outcomes": [{"id": "{id}"}]}),
        ("/tasks/{id}/delete", {}),
        ("/workers/w1/deregister", {}),
    ]
    task_id = 0
    for path, body in calls:
        sent = json.loads(json.dumps(body).replace('"{id}"', str(task_id)))
        response = api.post(path.replace("{id}", str(task_id)), sent)
        assert response.status < 300, (path, response)
        assert "successfully" in response.json["message"], (path, response)
        if path == "/tasks" and "type" in body:
            task_id = response.data["id"]


def test_where_there_are_no_tasks(api: Api) -> None:
    assert api.post("/tasks/claim", {"worker_id": "w1"}).error == "No available tasks"
    assert (
        api.post("/tasks/claim", {"worker_id": "w1", "limit": 5})
        .json["message"]
        .startswith("No tasks")
    )
    assert api.get("/tasks").json["message"].startswith("No tasks")


def test_one_is_not_plural(api: Api) -> None:
    api.register("job")
    made = api.post("/tasks", {"tasks": [{"type": "job", "params": {}}]})
    assert made.json["message"] == "1 task created successfully"
    claimed = api.post("/tasks/claim", {"worker_id": "w1", "limit": 5})
    assert claimed.json["message"] == "1 task claimed successfully"
    left = api.post("/workers/w1/deregister")
    assert left.json["message"] == "Worker deregistered successfully, 1 task released"


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"minLength": 1}, "", "'' is too short: it needs 1 character"),
        ({"minLength": 2}, "", "'' is too short: it needs 2 characters"),
        ({"maxLength": 1}, "ab", "'ab' is too long: it may have 1 character"),
        ({"maxLength": 0}, "ab", "'ab' is too long: it may have 0 characters"),
        ({"minItems": 1}, [], "[] is too short: it needs 1 item"),
        ({"maxItems": 1}, [1, 2], "[1, 2] is too long: it may have 1 item"),
    ],
)
def test_one_is_not_plural_in_what_a_schema_refuses(
    api: Api, schema: dict[str, Any], value: Any, sentence: str
) -> None:
    api.register("job", {"properties": {"a": schema}})
    assert api.post("/tasks", {"type": "job", "params": {"a": value}}).error.endswith(sentence)


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        ("/tasks", {"limit": "0"}, "limit must be a whole number from 1 to 100, and is 0"),
        ("/workers", {"limit": "0"}, "limit must be a whole number from 1 to 100, and is 0"),
        ("/tasks", {"offset": "x"}, 'offset must be a whole number, 0 or higher, and is "x"'),
        ("/tasks", {"before_id": "0"}, "before_id must be a whole number, 1 or higher, and is 0"),
    ],
)
def test_limits_that_a_reader_can_use(
    api: Api, path: str, query: dict[str, str], sentence: str
) -> None:
    assert api.get(path, **query).error == sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"limit": 0}, "limit must be a whole number from 1 to 100, and is 0"),
        ({"limit": 101}, "limit must be a whole number from 1 to 100, and is 101"),
        ({"task_type_id": 0}, "task_type_id must be a whole number, 1 or higher, and is 0"),
        (
            {"task_type_id": 2**63},
            f"task_type_id must be a whole number of at most {2**63 - 1}, and is {2**63}",
        ),
    ],
)
def test_limits_of_a_claim(api: Api, body: dict[str, int], sentence: str) -> None:
    assert api.post("/tasks/claim", {"worker_id": "w1", **body}).error == sentence


def test_no_limit_of_a_column_is_told_to_who_is_far_from_it(api: Api) -> None:
    task = api.claimed("job")
    for path, body in (
        ("complete", {"attempt": -1}),
        ("heartbeat", {"attempt": "x"}),
        ("release", {"attempt": 1.5}),
    ):
        response = api.post(f"/tasks/{task['id']}/{path}", body)
        assert "must be a whole number, 0 or higher" in response.error


def test_unknown_fields_are_named_up_to_a_number(api: Api) -> None:
    body = {"worker_id": "w1", **{f"unknown-{number}": 1 for number in range(30)}}
    warnings = api.post("/tasks/claim", body).warnings
    assert warnings[0] == "unknown field 'unknown-0' was ignored"
    assert len(warnings) == 21
    assert warnings[-1].startswith("10 more unknown fields")


def test_a_megabyte_of_unknown_fields_is_not_sent_back(api: Api) -> None:
    task = api.claimed("job")
    many = {"x" * 40 + str(number): 1 for number in range(15_000)}
    long = {"y" * 900_000: 1}
    for body in (many, long, {"claim": many}):
        response = api.post(f"/tasks/{task['id']}/heartbeat", body)
        assert response.status == 200
        assert len(json.dumps(response.json)) < 5000


def test_unknown_fields_in_many_objects_are_bounded_too(api: Api) -> None:
    beats = [{"id": 1, **{f"unknown-{n}": 1 for n in range(25)}} for _ in range(100)]
    response = api.post("/tasks/heartbeat", {"tasks": beats})
    assert len(response.warnings) == 51
    assert response.warnings[-1] == "and 2050 more warnings"


def test_responses_end_with_a_line_break(api: Api) -> None:
    for method, path in (("GET", "/health"), ("GET", "/task-types"), ("GET", "/nothing")):
        body = api.send(method, path, {"X-API-Key": "x" * 20}).raw
        assert body.endswith(b"}\n")
        assert body.count(b"\n") == 1
