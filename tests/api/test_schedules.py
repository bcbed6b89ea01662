"""Schedules: put, look at, pause, run now, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.api.caller import Api


@pytest.fixture(autouse=True)
def _report(api: Api) -> None:
    api.register("report")


def put(api: Api, **fields: Any) -> Any:
    timing = {} if {"cron", "every"} & set(fields) else {"every": 3600}
    return api.post("/schedules", {"name": "nightly", "type": "report", **timing, **fields})


def test_a_new_one(api: Api) -> None:
    given = {
        "params": {"days": 1},
        "cron": "@daily",
        "timezone": "Europe/Berlin",
        "missed": "ALL",
        "dedupe": "active",
        "priority": -3,
        "max_attempts": 2,
        "tags": ["a", "b"],
    }
    response = put(api, **given)
    assert response.status == 201
    stored = {**given, "cron": "0 0 * * *", "missed": "all", "name": "nightly", "type": "report"}
    assert {name: response.data[name] for name in stored} == stored
    assert (response.data["every"], response.data["paused"]) == (None, False)
    assert response.data["last_run"] is None
    found = api.get("/schedules/nightly").data
    assert found == {**response.data, "runs": []}
    assert api.get("/schedules").data == {"schedules": [response.data], "count": 1}


def test_the_next_five_times(api: Api) -> None:
    times = [datetime.fromisoformat(each[:-1]) for each in put(api, every=90).data["next_runs"]]
    gaps = [(later - time).total_seconds() for time, later in zip(times, times[1:])]
    assert gaps == [90, 90, 90, 90]
    made = datetime.fromisoformat(api.get("/schedules/nightly").data["created_at"][:-1])
    assert (times[0] - made).total_seconds() == pytest.approx(90, abs=1)


def test_a_known_name_gets_the_new_values(api: Api) -> None:
    first = put(api, cron="5 4 * * *", priority=3).data
    response = put(api, every=60)
    assert response.status == 200
    assert (response.data["cron"], response.data["every"]) == (None, 60)
    assert response.data["priority"] is None
    assert response.data["created_at"] == first["created_at"]
    assert api.get("/schedules").data["count"] == 1


@pytest.mark.parametrize("timing", [{}, {"cron": "@daily", "every": 60}])
def test_either_cron_or_every(api: Api, timing: dict[str, Any]) -> None:
    response = api.post("/schedules", {"name": "nightly", "type": "report", **timing})
    assert (response.status, response.code) == (400, "validation_failed")
    assert "either cron" in response.error
    assert api.get("/schedules").data["count"] == 0


def test_params_are_checked_against_the_schema(api: Api) -> None:
    api.register("count", param_schema={"properties": {"n": {"type": "integer"}}})
    response = put(api, type="count", params={"n": "many"})
    assert (response.status, response.code) == (400, "validation_failed")
    assert response.json["details"][0]["path"] == "params.n"


def test_a_type_that_does_not_exist(api: Api) -> None:
    response = put(api, type="nothing")
    assert (response.status, response.code) == (404, "unknown_type")


def test_a_type_that_is_not_active(api: Api) -> None:
    api.post("/task-types/report/deactivate")
    response = put(api)
    assert (response.status, response.code) == (400, "validation_failed")
    assert "not active" in response.error


def test_pause_and_resume(api: Api) -> None:
    put(api)
    paused = api.post("/schedules/nightly/pause").data
    assert (paused["paused"], paused["next_runs"]) == (True, [])
    assert api.post("/schedules/nightly/pause").data == paused
    resumed = api.post("/schedules/nightly/resume").data
    assert (resumed["paused"], len(resumed["next_runs"])) == (False, 5)
    assert put(api, paused=True).data["next_runs"] == []


def test_run_now(api: Api) -> None:
    put(api, params={"days": 1}, tags=["mine"], paused=True)
    response = api.post("/schedules/nightly/run")
    assert response.status == 201
    task = api.get(f"/tasks/{response.data['task_id']}").data
    assert (task["type"], task["params"]) == ("report", {"days": 1})
    assert task["tags"] == ["mine", "schedule:nightly"]
    shown = api.get("/schedules/nightly").data
    assert shown["last_run"]["task_id"] == task["id"]
    assert [run["message"] for run in shown["runs"]] == ["run by hand"]
    assert shown["runs"][0]["status"] == "pending"


def test_delete(api: Api) -> None:
    put(api)
    task_id = api.post("/schedules/nightly/run").data["task_id"]
    assert api.post("/schedules/nightly/delete").data == {"name": "nightly", "deleted": True}
    assert api.get(f"/tasks/{task_id}").status == 200
    assert api.get("/schedules").data["count"] == 0
    assert put(api).data["last_run"] is None


@pytest.mark.parametrize("action", ["", "/pause", "/resume", "/run", "/delete"])
def test_a_name_that_does_not_exist(api: Api, action: str) -> None:
    method = "GET" if not action else "POST"
    response = api.call(method, f"/schedules/none{action}", None if method == "GET" else {})
    assert (response.status, response.code) == (404, "not_found")
    assert "GET /api/schedules lists them" in response.error


@pytest.mark.parametrize("name", ["größe", "a/b", "per%cent", "🎉" * 40, "<script>"])
def test_odd_names(api: Api, name: str) -> None:
    from urllib.parse import quote

    assert put(api, name=name).status == 201
    assert api.get(f"/schedules/{quote(name, safe='')}").data["name"] == name
    assert api.post(f"/schedules/{quote(name, safe='')}/delete").status == 200
