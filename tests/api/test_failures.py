"""GET /failures"""

from __future__ import annotations

from typing import Any

import pytest

from app.queue.statistics import roll_up
from app.queue.upkeep.turn import Budget
from tests.api.caller import TIME, Api


@pytest.fixture(params=["read from the history", "rolled up"])
def rolled_up(request: pytest.FixtureRequest, api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)

    def maybe_roll_up() -> None:
        if request.param == "rolled up":
            while roll_up.roll_up(api.site, Budget(60)):
                pass

    return maybe_roll_up


def failed(api: Api, error: str, type: str = "job") -> int:
    task_id: int = api.claimed(type)["id"]
    assert api.post(f"/tasks/{task_id}/fail", {"error": error, "retry": False}).status == 200
    return task_id


def failures(api: Api, **query: str) -> Any:
    response = api.get("/failures", **query)
    assert response.status == 200, response
    assert response.data["count"] == len(response.data["failures"])
    return response.data["failures"]


def counts(api: Api, **query: str) -> list[tuple[Any, ...]]:
    return [(each["type"], each["error"], each["count"]) for each in failures(api, **query)]


def test_none(api: Api) -> None:
    api.claimed()
    assert failures(api) == []


def test_groups(api: Api, rolled_up: Any) -> None:
    failed(api, "row 1 is missing")
    rolled_up()
    failed(api, "row 2 is missing")
    newest = failed(api, "row 3 is missing")
    other = failed(api, "row 4 is missing", "other")
    failed(api, "no memory")
    rolled_up()
    failed(api, "no memory")
    found = failures(api)
    assert [(each["type"], each["error"], each["count"]) for each in found] == [
        ("job", "row 3 is missing", 3),
        ("job", "no memory", 2),
        ("other", "row 4 is missing", 1),
    ]
    assert (found[0]["sample_id"], found[2]["sample_id"]) == (newest, other)
    assert found[0]["error_group"] == found[2]["error_group"] != found[1]["error_group"]
    for each in found:
        assert TIME.fullmatch(each["first_at"])
        assert TIME.fullmatch(each["last_at"])
        assert each["first_at"] <= each["last_at"]
    assert counts(api, type="other") == [("other", "row 4 is missing", 1)]
    assert counts(api, limit="1") == counts(api)[:1]


def test_only_what_is_failed_now(api: Api, rolled_up: Any) -> None:
    first, second, third, fourth = (failed(api, "x") for _ in range(4))
    rolled_up()
    api.post(f"/tasks/{fourth}/retry")
    api.post(f"/tasks/{third}/delete")
    (group,) = failures(api)
    assert (group["count"], group["sample_id"]) == (2, second)
    api.post(f"/tasks/{first}/delete")
    api.post(f"/tasks/{second}/delete")
    assert failures(api) == []
    rolled_up()
    assert failures(api) == []
    failed(api, "y", "other")
    assert counts(api) == [("other", "y", 1)]


def test_an_expired_lease(api: Api, rolled_up: Any) -> None:
    task = api.claimed(max_attempts=1)
    api.make_due(task["id"])
    assert api.claim() is None
    rolled_up()
    assert counts(api) == [("job", "lease expired", 1)]


def test_a_long_error(api: Api, rolled_up: Any) -> None:
    failed(api, "ä" * 5000)
    rolled_up()
    assert counts(api) == [("job", "ä" * 500, 1)]


def test_an_empty_error(api: Api, rolled_up: Any) -> None:
    failed(api, "")
    rolled_up()
    assert counts(api) == [("job", "", 1)]


def test_from_before_there_were_groups(api: Api) -> None:
    failed(api, "x")
    api.sql("UPDATE task_history SET error_group = NULL")
    api.sql("DELETE FROM task_errors")
    assert failures(api) == [
        {
            "error_group": None,
            "type": "job",
            "error": None,
            "count": 1,
            "first_at": None,
            "last_at": None,
            "sample_id": None,
        }
    ]


def test_without_a_history(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The groups are known all the same, though not when their first tasks failed."""
    monkeypatch.setattr(api.site.settings, "enable_task_history", False)
    task_id = failed(api, "x")
    (group,) = failures(api)
    assert (group["count"], group["sample_id"], group["error"]) == (1, task_id, "x")
    assert group["first_at"] is None
    assert group["last_at"] == api.task(task_id)["completed_at"]


def test_more_than_a_hundred(api: Api) -> None:
    response = api.get("/failures", limit="101")
    assert "100" in response.json["warnings"][0]


def test_an_unknown_type(api: Api) -> None:
    assert api.get("/failures", type="none").code == "unknown_type"
