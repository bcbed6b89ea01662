"""GET /tasks/{id}/history"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api


def changes(api: Api, task_id: int) -> list[tuple[Any, ...]]:
    lines = api.history(task_id)
    for line in lines:
        assert set(line) == {"status", "worker_id", "attempt", "message", "created_at"}
        assert TIME.fullmatch(line["created_at"])
    assert lines == sorted(lines, key=lambda line: str(line["created_at"]))
    return [(line["status"], line["worker_id"], line["attempt"], line["message"]) for line in lines]


def test_a_whole_life(api: Api) -> None:
    api.register("job")
    task_id = api.create("job")["id"]
    api.claim("w1")
    api.post(f"/tasks/{task_id}/fail", {"error": "no connection", "delay": 0})
    api.claim("w2")
    api.post(f"/tasks/{task_id}/complete", {"result": 1})
    assert changes(api, task_id) == [
        ("pending", None, 0, None),
        ("claimed", "w1", 1, None),
        ("pending", "w1", 1, "no connection"),
        ("claimed", "w2", 2, None),
        ("completed", "w2", 2, None),
    ]


def test_a_delayed_task_is_shown_as_pending(api: Api) -> None:
    api.register("job")
    task = api.create("job", delay=500)
    assert changes(api, task["id"]) == [("pending", None, 0, None)]


def test_the_last_failure(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/fail", {"error": "x", "retry": False})
    assert changes(api, task["id"])[-1] == ("failed", "w1", 1, "x")


def test_a_long_error_is_shown_in_part(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/fail", {"error": "ä🎉" * 30_000})
    message = changes(api, task["id"])[-1][3]
    assert message
    assert "ä🎉ä🎉ä🎉ä🎉".startswith(message[:8])


def test_each_task_has_its_own(api: Api) -> None:
    api.register("job")
    ids = [api.create("job")["id"] for _ in range(3)]
    api.claim("w1", limit=2)
    lengths = [len(changes(api, each)) for each in ids]
    assert lengths == [2, 2, 1]


def test_a_duplicate_leaves_no_line(api: Api) -> None:
    api.register("job")
    first = api.create("job", {"n": 1})
    api.create("job", {"n": 1})
    assert len(changes(api, first["id"])) == 1


def test_a_refused_settle_leaves_no_line(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/complete", {"worker_id": "w2"})
    api.post(f"/tasks/{task['id']}/fail", {"attempt": 7})
    assert len(changes(api, task["id"])) == 2


def test_no_history_is_kept_where_it_is_switched_off(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.site.settings, "enable_task_history", False)
    task = api.claimed()
    others = [api.claimed()["id"] for _ in range(4)]
    api.post(f"/tasks/{task['id']}/complete")
    api.post(f"/tasks/{others[0]}/fail", {"error": "x"})
    api.post(f"/tasks/{others[1]}/release")
    api.make_due(others[2])
    api.post(f"/tasks/{others[0]}/cancel")
    api.post(f"/tasks/{others[0]}/retry")
    api.claim(limit=10)
    api.post(f"/tasks/{task['id']}/delete")
    assert api.sql("SELECT * FROM task_history") == []
    assert [api.task(each)["status"] for each in others] == ["claimed"] * 4
    assert api.history(others[0]) == []


def test_an_unknown_task(api: Api) -> None:
    assert api.get("/tasks/999999999/history").code == "not_found"
