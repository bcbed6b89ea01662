"""The first page."""

from __future__ import annotations

import pytest

from tests.api.caller import Api
from tests.dashboard.visitor import Visitor


def test_an_empty_queue_is_well(admin: Visitor) -> None:
    page = admin.get()
    assert page.select("#verdict").text.strip() == "All is well."
    assert page.all("#tiles b") == ["0", "0", "0", "0", "0"]
    assert "No worker has come yet" in page.text


def test_what_waits_runs_ended_and_failed(api: Api, admin: Visitor) -> None:
    api.register("mail", max_attempts=1)
    for _ in range(3):
        api.create("mail")
    api.create("mail", delay=600)
    for ending in ("complete", "fail"):
        task = api.post("/tasks/claim", {"worker_id": "w"}).data
        api.post(f"/tasks/{task['id']}/{ending}", {"worker_id": "w"})
    api.post("/tasks/claim", {"worker_id": "w"})
    page = admin.get()
    assert page.all("#tiles b") == ["0", "1", "1", "1", "1"]
    assert "1 completed" in page.select("#activity").text
    assert len(page.soup.select("#activity svg .ok")) == 1
    assert len(page.soup.select("#activity svg .wrong")) == 1
    assert page.all("#failures b") == ["1"]
    assert "1 running" in page.select("#workers").text


def test_a_type_that_fails_is_told_first(api: Api, admin: Visitor) -> None:
    api.register("mail", max_attempts=1)
    for _ in range(10):
        task = api.create("mail")
        api.post("/tasks/claim", {"worker_id": "w"})
        api.post(f"/tasks/{task['id']}/fail", {"worker_id": "w", "error": "No route to host"})
    verdict = admin.get().select("#verdict")
    assert "mail is failing: 10 of the 10 tasks" in verdict.text
    assert "Most say “No route to host”" in verdict.text
    assert verdict.select_one("a")["href"] == "/dashboard/types/mail"


@pytest.mark.parametrize("period", ["hour", "day", "week", "century", ""])
def test_each_period_has_its_chart(admin: Visitor, period: str) -> None:
    page = admin.get(f"?period={period}")
    assert page.status == 200
    assert page.soup.select("#activity svg")


def test_an_open_page_gets_nothing_while_nothing_changes(api: Api, admin: Visitor) -> None:
    api.register("mail")
    api.post("/workers/register", {"worker_id": "w"})
    first = admin.get("", x_live="1")
    assert (first.status, "<html" in first.body.decode()) == (200, False)
    again = admin.get("", x_live="1", if_none_match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    api.create("mail", delay=60)
    assert admin.get("", x_live="1", if_none_match=first.headers["ETag"]).status == 200


def test_the_view_for_the_wall_has_no_buttons(admin: Visitor) -> None:
    page = admin.get("/tv")
    assert page.select("#verdict").text.strip() == "All is well."
    assert not page.soup.select("button, nav")


def test_the_queue_is_paused_and_resumed(api: Api, admin: Visitor) -> None:
    api.register("mail")
    api.create("mail")
    assert admin.post("/queue/pause").title == "Pause the whole queue?"
    page = admin.follow(admin.post("/queue/pause", {"confirmed": "yes"}))
    assert "The queue is paused since" in page.select("#verdict").text
    assert api.post("/tasks/claim", {"worker_id": "w"}).code == "no_tasks"
    page = admin.follow(admin.post("/queue/resume"))
    assert "paused" not in page.select("#verdict").text
    assert api.post("/tasks/claim", {"worker_id": "w"}).status == 200


def test_types_that_were_busy(api: Api, admin: Visitor) -> None:
    api.register("mail")
    task = api.create("mail")
    api.post("/tasks/claim", {"worker_id": "w"})
    api.post(f"/tasks/{task['id']}/complete", {"worker_id": "w"})
    row = admin.get().select("#types tbody tr")
    assert row.select_one("a").text == "mail"
    assert row.select_one("svg")["aria-label"] == "tasks that ended in the last hour"
