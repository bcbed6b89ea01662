"""GET /tasks with total, and with error_group"""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import list_count, list_total
from tests.api.caller import Api


def total(api: Api, **query: str) -> tuple[int, bool]:
    data = api.get("/tasks", total="true", **query).data
    return data["total"], data["total_is_capped"]


@pytest.fixture
def tasks(api: Api) -> Any:
    """Six of one type, of which one is failed and one waits for its time; two of another."""
    for name in ("job", "jobs"):
        api.register(name)
    task = api.create("job", tags=["x"])["id"]
    api.claim("w1")
    api.post(f"/tasks/{task}/fail", {"error": "no row 7", "retry": False})
    for _ in range(4):
        api.create("job", tags=["x"])
    api.create("job", delay=1000)
    for _ in range(2):
        api.create("jobs")
    return task


def test_without_it(api: Api, tasks: int) -> None:
    for query in ({}, {"total": "false"}, {"total": "0"}):
        assert "total" not in api.get("/tasks", **query).data


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, 8),
        ({"status": "pending"}, 7),
        ({"status": "failed"}, 1),
        ({"status": "processing"}, 0),
        ({"type": "job"}, 6),
        ({"type": "job%"}, 8),
        ({"type": "%"}, 8),
        ({"type": "none"}, 0),
        ({"type": "job", "status": "pending"}, 5),
        ({"tag": "x"}, 5),
        ({"tag": "x", "status": "pending"}, 4),
        ({"tag": "none"}, 0),
        ({"worker_id": "w1"}, 1),
        ({"worker_id": "w1", "status": "pending"}, 0),
        ({"created_after": "2020-01-01"}, 8),
        ({"created_after": "2999-01-01"}, 0),
    ],
    ids=str,
)
def test_how_many(api: Api, query: dict[str, str], expected: int) -> None:
    assert total(api, **query) == (expected, False)
    assert len(api.get("/tasks", **query).data["tasks"]) == expected


@pytest.mark.usefixtures("tasks")
def test_on_any_page(api: Api) -> None:
    page = api.get("/tasks", limit="3").data
    assert total(api, limit="3", before_id=str(page["next_before_id"])) == (8, False)
    assert total(api, limit="3", offset="6", tag="x") == (5, False)


@pytest.mark.usefixtures("tasks")
def test_counting_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for most, expected in ((4, (4, True)), (5, (5, False)), (6, (5, False))):
        monkeypatch.setattr(list_total, "MOST", most)
        assert total(api, tag="x") == expected
    assert total(api, type="job") == (6, False)


@pytest.mark.usefixtures("tasks")
def test_counting_ends_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """But what is read at least is always counted; these five are read one by one, and two."""
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 0)
    assert total(api, tag="x") == (5, False)
    for surely, expected in ((1, (1, True)), (3, (3, True)), (6, (5, False))):
        monkeypatch.setattr(list_count, "SURELY_READ", surely)
        assert total(api, tag="x") == expected


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize("at_once", [1, 2, 16])
def test_counting_in_many_steps(api: Api, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 60)
    for name, value in {"SURELY_READ": 1, "MOST_READ": 1, "SCANS_AT_ONCE": at_once}.items():
        monkeypatch.setattr(list_count, name, value)
    assert total(api, tag="x") == (5, False)
    assert total(api, tag="x", status="pending") == (4, False)
    assert total(api, type="job%", created_after="2020-01-01") == (8, False)
    assert total(api, type="job%", status="pending", created_after="2020-01-01") == (7, False)
    assert total(api, type="job%", tag="x", worker_id="w1") == (1, False)


@pytest.mark.usefixtures("tasks")
def test_without_a_history(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "enable_task_history", False)
    assert total(api, type="job") == (6, False)


class TestErrorGroup:
    def group(self, api: Api) -> str:
        return str(api.get("/failures").data["failures"][0]["error_group"])

    def ids(self, api: Api, **query: str) -> list[int]:
        return [task["id"] for task in api.get("/tasks", **query).data["tasks"]]

    def test_its_tasks(self, api: Api, tasks: int) -> None:
        group = self.group(api)
        for query in ({}, {"status": "failed"}, {"type": "job"}, {"tag": "x"}, {"worker_id": "w1"}):
            assert self.ids(api, error_group=group, **query) == [tasks], query
            assert total(api, error_group=group, **query) == (1, False)
        for query in ({"status": "pending"}, {"type": "jobs"}, {"tag": "y"}, {"worker_id": "w2"}):
            assert self.ids(api, error_group=group, **query) == [], query
            assert total(api, error_group=group, **query) == (0, False)

    def test_a_retried_task_is_in_no_group(self, api: Api, tasks: int) -> None:
        group = self.group(api)
        api.post(f"/tasks/{tasks}/retry")
        assert self.ids(api, error_group=group) == []

    def test_a_group_without_tasks(self, api: Api) -> None:
        assert self.ids(api, error_group="4711") == []

    def test_what_is_done_to_all_of_its_tasks(self, api: Api) -> None:
        ids = [api.claimed()["id"] for _ in range(3)]
        for task_id, error in zip(ids, ("no row 1", "other", "no row 2")):
            api.post(f"/tasks/{task_id}/fail", {"error": error, "retry": False})
        body = {"filter": {"error_group": int(self.group(api))}}
        assert api.post("/tasks/retry", {**body, "dry_run": True}).data["matched"] == 2
        assert api.post("/tasks/retry", body).data["changed"] == 2
        assert [api.task(each)["status"] for each in ids] == ["pending", "failed", "pending"]
