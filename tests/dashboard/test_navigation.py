"""The pages that every page leads to, with how many there are of what they show."""

from __future__ import annotations

import pytest

from app.queue import navigation_counts
from tests.api.caller import Api
from tests.dashboard.visitor import Visitor


def test_counts_stand_beside_the_links(api: Api, admin: Visitor) -> None:
    assert admin.get().all("nav a small") == []
    api.register("mail", max_attempts=1)
    ids = [api.create("mail")["id"] for _ in range(3)]
    api.post("/tasks/claim", {"worker_id": "w"})
    api.post(f"/tasks/{ids[0]}/fail", {"worker_id": "w"})
    links = admin.get().all("nav a")
    assert links[1:6] == ["Tasks 2", "Failures 1", "Types 1", "Schedules", "Workers 1"]


def test_counting_ends(api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation_counts, "MOST", 2)
    monkeypatch.setattr("app.dashboard.navigation.MOST", 2)
    api.register("mail")
    for _ in range(4):
        api.create("mail")
    assert "Tasks 2+" in admin.get().all("nav a")


def test_the_page_that_is_open_is_marked(admin: Visitor) -> None:
    assert admin.get("/workers").all('nav [aria-current="page"]') == ["Workers"]
    assert admin.get("").all('nav [aria-current="page"]') == ["Overview"]


def test_readers_are_led_to_what_they_may_see(reader: Visitor) -> None:
    assert reader.get().all("nav a")[-1] == "Workers"
