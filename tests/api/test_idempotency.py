"""Idempotency-Key: a create that is sent again makes nothing, and gets the first response."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.errors import ConnectionLost
from app.site import Site
from tests.api.caller import API_KEY, Api
from tests.api.keys import headers_of, key_with
from tests.support.http_client import Response

ONE = {"type": "job", "params": {"n": 1}}
EQUAL = {"type": "job", "params": {"n": 1}, "dedupe": False}
MANY = {"tasks": [EQUAL, EQUAL, {"type": "job", "params": {"n": 2}}]}


def create(api: Api, body: Any, key: str = "order-17", own: str = API_KEY) -> Response:
    return api.call("POST", "/tasks", body, {**headers_of(own), "Idempotency-Key": key})


def what(response: Response) -> Any:
    """A response without the time at which it was sent."""
    return response.status, {**response.json, "timestamp": None}


def count(api: Api, table: str = "tasks") -> int:
    return int(api.sql(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])


@pytest.fixture(autouse=True)
def _type(api: Api) -> None:
    api.register("job")


@pytest.mark.parametrize(("body", "made"), [(ONE, 1), (EQUAL, 1), (MANY, 3)])
def test_sent_again(api: Api, body: Any, made: int) -> None:
    first = create(api, body)
    assert first.status == 201
    with api.unchanged():
        assert what(create(api, body)) == what(first)
    assert count(api) == made


def test_a_duplicate_is_told_as_one_again(api: Api) -> None:
    api.create("job", {"n": 1})
    first = create(api, ONE)
    assert (first.status, first.data["deduplicated"]) == (200, True)
    api.post(f"/tasks/{first.data['id']}/cancel")
    assert what(create(api, ONE)) == what(first)


def test_no_tasks(api: Api) -> None:
    first = create(api, {"tasks": []})
    assert first.data["tasks"] == []
    assert what(create(api, {"tasks": []})) == what(first)


def test_a_list_of_one(api: Api) -> None:
    first = create(api, {"tasks": [EQUAL]})
    assert what(create(api, {"tasks": [EQUAL]})) == what(first)


def test_a_thousand_with_long_names(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of them stays far below the shortest packet that a host allows."""
    name = "🎉" * 255
    api.register(name)
    body = {
        "tasks": [
            {"type": name, "params": {}, "dedupe_key": f"{n:04}" + "🎉" * 187} for n in range(1000)
        ]
    }
    monkeypatch.setattr(api.site.settings, "max_body_bytes", 8 * 1024 * 1024)
    first = create(api, body)
    kept = api.sql("SELECT LENGTH(created_json) AS size FROM idempotency_keys")
    assert kept[0]["size"] < 50_000
    assert what(create(api, body)) == what(first)
    assert count(api) == 1000


@pytest.mark.parametrize("body", [ONE, EQUAL, MANY])
def test_the_tasks_have_gone_since(api: Api, body: Any) -> None:
    first = create(api, body)
    api.sql("DELETE FROM tasks")
    assert what(create(api, body)) == what(first)
    assert count(api) == 0


def test_they_have_ended_and_their_type_has_changed_since(api: Api) -> None:
    first = create(api, EQUAL)
    api.claim("w1")
    api.post(f"/tasks/{first.data['id']}/complete")
    api.register("job", {"required": ["other"]})
    assert what(create(api, EQUAL)) == what(first)
    api.post("/task-types/job/deactivate")
    assert what(create(api, EQUAL)) == what(first)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "job", "params": {"n": 2}},
        {**ONE, "priority": 1},
        {**ONE, "unknown": 1},
        {"tasks": [ONE]},
        {"tasks": []},
    ],
)
def test_another_body(api: Api, body: Any) -> None:
    create(api, ONE)
    with api.unchanged():
        response = create(api, body)
    assert (response.status, response.code) == (422, "idempotency_conflict")


def test_the_same_body_written_in_another_way(api: Api) -> None:
    first = create(api, {"type": "job", "params": {"a": 1, "b": 2}, "dedupe": False})
    raw = b'{ "dedupe": false, "params": {"b": 2.0, "a": 1}, "type": "job" }'
    headers = {**headers_of(API_KEY), "Idempotency-Key": "order-17"}
    assert what(api.call("POST", "/tasks", headers=headers, raw=raw)) == what(first)


def test_warnings_come_again(api: Api) -> None:
    first = create(api, {**ONE, "prioritty": 1})
    assert "prioritty" in first.warnings[0]
    assert what(create(api, {**ONE, "prioritty": 1})) == what(first)


def test_another_trace_is_no_other_call(api: Api) -> None:
    """Clients that trace make a span for each time that they send it."""
    ids = set()
    for span in ("1" * 16, "2" * 16):
        headers = {
            **headers_of(API_KEY),
            "Idempotency-Key": "k",
            "traceparent": f"00-{'a' * 32}-{span}-01",
        }
        ids.add(api.call("POST", "/tasks", EQUAL, headers).data["id"])
    assert len(ids) == 1


def test_other_keys_are_other_calls(api: Api) -> None:
    keys = ["a", "A", "a.", "é", "x" * 255, '"a"']
    ids = [create(api, EQUAL, key).data["id"] for key in keys]
    assert len(set(ids)) == len(keys)
    assert [create(api, EQUAL, key).data["id"] for key in keys] == ids


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\x00b", "a\tb", "a\x7fb", "a\x85b"])
def test_what_is_no_key(api: Api, key: str) -> None:
    with api.unchanged():
        response = create(api, ONE, key)
    assert (response.code, response.paths) == ("validation_failed", ["Idempotency-Key"])


def test_each_api_key_has_its_own(api: Api) -> None:
    scoped = [key_with(api, ["produce"]) for _ in range(2)]
    ids = [create(api, EQUAL, own=own).data["id"] for own in (API_KEY, *scoped)]
    assert len(set(ids)) == 3
    assert [create(api, EQUAL, own=own).data["id"] for own in (API_KEY, *scoped)] == ids
    # Even with another body: what one sends is no conflict of another's.
    assert create(api, MANY, "new", scoped[0]).status == 201
    assert create(api, ONE, "new", scoped[1]).status == 201


def test_a_rotated_api_key_still_has_them(api: Api) -> None:
    own = key_with(api, ["produce"], name="shop")
    key_id = api.sql("SELECT id FROM api_keys WHERE name = 'shop'")[0]["id"]
    first = create(api, EQUAL, own=own)
    rotated = api.post(f"/keys/{key_id}/rotate").data["key"]
    assert what(create(api, EQUAL, own=rotated)) == what(first)


def test_after_an_error_the_key_is_free(api: Api) -> None:
    for wrong in ({**ONE, "priority": "high"}, {**ONE, "type": "unknown"}, {"tasks": [ONE, {}]}):
        assert create(api, wrong).status in (400, 404)
    assert count(api, "idempotency_keys") == 0
    assert create(api, ONE).status == 201


def test_without_a_key_nothing_is_kept(api: Api) -> None:
    api.post("/tasks", ONE)
    assert count(api, "idempotency_keys") == 0


@pytest.mark.parametrize("body", [ONE, EQUAL, MANY])
def test_many_at_once(api: Api, body: Any) -> None:
    """Each finds no earlier call before any of them has written."""
    callers = 6
    together = threading.Barrier(callers)
    responses: list[Response] = []

    def send() -> None:
        together.wait()
        responses.append(create(api, body))

    for turn in range(3):
        threads = [threading.Thread(target=send) for _ in range(callers)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len({str(what(each)) for each in responses}) == 1, turn
        assert count(api) == len(body.get("tasks", [body]))
        api.sql("DELETE FROM tasks")
        api.sql("DELETE FROM idempotency_keys")
        responses.clear()


@pytest.mark.parametrize("body", [EQUAL, MANY])
def test_an_equal_call_between_the_look_and_the_insert(
    api: Api, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    from app.queue import create as creating

    look, first = creating._look, []

    def be_overtaken(*arguments: Any) -> Any:
        found = look(*arguments)
        if not first:
            first.append(None)
            first[0] = create(api, body)
        return found

    monkeypatch.setattr(creating, "_look", be_overtaken)
    assert what(create(api, body)) == what(first[0])
    assert count(api) == len(body.get("tasks", [body]))


def test_the_type_is_deleted_meanwhile(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.queue import create as creating

    look = creating._look

    def delete_after(*arguments: Any) -> Any:
        found = look(*arguments)
        monkeypatch.setattr(creating, "_look", look)
        assert api.post("/task-types/job/delete").status == 200
        return found

    monkeypatch.setattr(creating, "_look", delete_after)
    assert create(api, EQUAL).code == "unknown_type"
    api.register("job")
    assert create(api, EQUAL).status == 201
    assert count(api) == 1


def test_a_commit_whose_answer_is_lost(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call goes on with another connection, and a call that died is sent again."""
    monkeypatch.setattr(type(_connection(api.site)), "send", _losing(api.site, times=1))
    first = create(api, MANY)
    assert first.status == 201
    assert count(api) == 3
    monkeypatch.undo()
    monkeypatch.setattr(type(_connection(api.site)), "send", _losing(api.site, times=2))
    assert create(api, MANY, "other").code == "database_unavailable"
    monkeypatch.undo()
    again = create(api, MANY, "other")
    assert (again.status, count(api)) == (201, 5)
    assert what(create(api, MANY, "other")) == what(again)


def _connection(site: Site) -> Any:
    return site.db.run(lambda connection: connection)


def _losing(site: Site, times: int) -> Any:
    """``send`` that loses the connection so many times, first when a key has been committed."""
    send, lost = type(_connection(site)).send, [0]

    def lose(connection: Any, statements: Any) -> Any:
        results = send(connection, statements)
        wanted = "FROM idempotency_keys" if lost[0] else "INTO idempotency_keys"
        if lost[0] < times and any(wanted in sql for sql, _ in statements):
            lost[0] += 1
            raise ConnectionLost("the wire is cut")
        return results

    return lose
