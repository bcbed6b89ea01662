"""GET /tasks with q, and q in the filter of what changes many tasks."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import bulk, search
from tests.api.caller import Api
from tests.support.http_client import Response


def found(api: Api, q: str, **query: str) -> Any:
    response = api.get("/tasks", q=q, **query)
    assert response.status == 200, response
    return response.data


def ids(api: Api, q: str, **query: str) -> list[int]:
    return [task["id"] for task in found(api, q, **query)["tasks"]]


def make(api: Api, count: int = 1, **options: Any) -> list[int]:
    api.register("job")
    options.setdefault("params", {})
    tasks = [{"type": "job", "dedupe": False, **options}] * count
    return [each["id"] for each in api.post("/tasks", {"tasks": tasks}).data["tasks"]]


def test_each_place(api: Api) -> None:
    api.register("job")
    in_params = api.create("job", {"to": ["needle@example.com"]})["id"]
    in_key = api.create("job", {}, dedupe_key="the-needle-key")["id"]
    in_tag = make(api, tags=["a", "needles"])[0]
    in_result = api.claimed("done")["id"]
    api.post(f"/tasks/{in_result}/complete", {"result": {"found": "a needle"}})
    in_error = api.claimed("gone")["id"]
    api.post(f"/tasks/{in_error}/fail", {"error": "no needle there", "retry": False})
    in_traceback = api.claimed("lost")["id"]
    api.post(f"/tasks/{in_traceback}/fail", {"error": "x", "traceback": "in needle()"})
    make(api, params={"to": "hay"})
    assert sorted(ids(api, "needle")) == sorted(
        [in_params, in_key, in_tag, in_result, in_error, in_traceback]
    )


def test_a_task_is_shown_as_in_lists(api: Api) -> None:
    (task_id,) = make(api, params={"to": "ada"})
    data = found(api, "ada")
    assert data == {
        "tasks": [api.task(task_id)],
        "count": 1,
        "limit": 50,
        "searched": 1,
        "next_before_id": None,
    }


def test_upper_and_lower_case(api: Api) -> None:
    (task_id,) = make(api, params={"to": "Ada Lovelace"})
    assert ids(api, "ADA love") == [task_id]


@pytest.mark.parametrize(
    "text", ["50%", "a_b", "a\\b", 'say "yes"', "it's", "süß", "🙂", "100 %s", ":q"]
)
def test_every_character_means_itself(api: Api, text: str) -> None:
    (task_id,) = make(api, params={"text": f"here: {text}!"})
    make(api, params={"text": "50 apples, aXb, a/b, say yes"})
    assert ids(api, text) == [task_id]


def test_exact_hits_come_first(api: Api) -> None:
    (by_id,) = make(api)
    text = str(by_id)
    api.register("job")
    by_key = api.create("job", {}, dedupe_key=text)["id"]
    by_tag = make(api, tags=[text])[0]
    by_part = make(api, params={"order": f"x{text}x"})[0]
    assert ids(api, text) == [by_tag, by_key, by_id, by_part]


def test_exact_hits_are_found_however_old(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.register("job")
    by_key = api.create("job", {}, dedupe_key="order-1")["id"]
    make(api, 10)
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search, "MOST_SEARCHED", 2)
    data = found(api, "order-1")
    assert [task["id"] for task in data["tasks"]] == [by_key]
    assert data["searched"] == 2


def everything(api: Api, q: str, **query: str) -> list[int]:
    """All pages together."""
    seen: list[int] = []
    before: dict[str, str] = {}
    for _ in range(100):
        data = found(api, q, **query, **before)
        seen += [task["id"] for task in data["tasks"]]
        if data["next_before_id"] is None:
            return seen
        before = {"before_id": str(data["next_before_id"])}
    raise AssertionError("no end")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("most", [1, 4, 1000])
def test_pages(api: Api, monkeypatch: pytest.MonkeyPatch, limit: int, most: int) -> None:
    """Whatever ends a page: all are found, none twice."""
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search, "MOST_SEARCHED", most)
    exact = make(api, 3, tags=["red"])
    plain = make(api, 4, params={"colour": "dark red"})
    make(api, 5)
    plain += make(api, 1, params={"colour": "red"})
    seen = everything(api, "red", limit=str(limit))
    assert sorted(seen) == sorted(exact + plain)
    assert seen[: min(limit, 3)] == exact[::-1][:limit]


def test_it_says_how_far_it_looked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(api, 10)
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search, "MOST_SEARCHED", 5)
    response = api.get("/tasks", q="nothing")
    assert response.data["searched"] == 6
    assert response.data["next_before_id"] == made[4]
    assert response.json["message"] == (
        "0 tasks found, 6 tasks searched: more can be searched with before_id"
    )
    assert "all" in api.get("/tasks", q="nothing", before_id=str(made[4])).json["message"]


def test_it_ends_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    make(api, 10)
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search, "SEARCH_SECONDS", -1.0)
    assert found(api, "nothing")["searched"] == 2


@pytest.mark.parametrize(
    "query",
    [
        {"status": "failed"},
        {"type": "other"},
        {"tag": "b"},
        {"worker_id": "w2"},
        {"created_after": "2100-01-01"},
        {"created_before": "2000-01-01"},
    ],
    ids=str,
)
def test_other_filters_count_too(api: Api, query: dict[str, str]) -> None:
    """For exact hits as well."""
    (task_id,) = make(api, tags=["red"], params={"colour": "red"})
    api.register("job")
    key = api.create("job", {}, dedupe_key="red")["id"]
    assert sorted(ids(api, "red")) == [task_id, key]
    assert ids(api, "red", **query) == []
    assert ids(api, str(task_id), **query) == []
    assert ids(api, "red", status="pending", type="job") == [key, task_id]


@pytest.mark.parametrize(("field", "value"), [("offset", "1"), ("total", "true")])
def test_what_is_not_for_searches(api: Api, field: str, value: str) -> None:
    response = api.get("/tasks", q="x", **{field: value})
    assert response.code == "validation_failed"
    assert response.paths == [field]


# In what changes many tasks


def changed(api: Api, action: str, **body: Any) -> Response:
    response = api.post(f"/tasks/{action}", body)
    assert response.status == 200, response
    return response


def test_what_holds_a_text_is_changed(api: Api) -> None:
    red, blue = make(api, 3, params={"colour": "red"}), make(api, 2, params={"colour": "blue"})
    with api.unchanged():
        data = changed(api, "cancel", filter={"q": "red"}, dry_run=True).data
    assert (data["matched"], data["matched_is_capped"], data["changed"]) == (3, False, 0)
    data = changed(api, "cancel", filter={"q": "red"}).data
    assert (data["matched"], data["changed"], data["remaining"]) == (3, 3, 0)
    assert {api.task(each)["status"] for each in red} == {"cancelled"}
    assert {api.task(each)["status"] for each in blue} == {"pending"}


def test_a_loop_goes_on_through_tasks_without_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search, "MOST_SEARCHED", 2)
    monkeypatch.setattr(bulk, "SHARE_OF_TIME", 0)
    old = make(api, 3, params={"colour": "red"})
    make(api, 9)
    body: dict[str, Any] = {"filter": {"q": "red"}}
    calls = 0
    while True:
        data = changed(api, "delete", **body).data
        calls += 1
        if not data["remaining"]:
            break
        assert data["remaining_is_capped"] is True
        body["before_id"] = data["next_before_id"]
    assert calls == 6
    assert [api.get(f"/tasks/{each}").code for each in old] == ["not_found"] * 3
