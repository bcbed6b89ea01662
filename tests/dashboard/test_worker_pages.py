"""The pages about workers."""

from __future__ import annotations

from tests.api.caller import Api
from tests.dashboard.visitor import Visitor

HOSTILE = "<script>alert(1)</script>"


def test_without_workers_the_page_says_how_to_start_one(admin: Visitor) -> None:
    page = admin.get("/workers", host="queue.example.org")
    assert "--api-url http://queue.example.org/api" in page.text
    assert "--until-empty" in page.text


def test_what_a_worker_holds_and_has_done(api: Api, admin: Visitor) -> None:
    api.register("mail")
    done, held = api.create("mail"), api.create("mail")
    api.post("/tasks/claim", {"worker_id": "web12"})
    api.post(f"/tasks/{done['id']}/complete", {"worker_id": "web12"})
    api.post("/tasks/claim", {"worker_id": "web12"})
    api.post(
        f"/tasks/{held['id']}/progress", {"worker_id": "web12", "progress": 62, "message": "on"}
    )
    row = admin.get("/workers").select("tbody tr")
    assert [cell.get_text(" ", strip=True) for cell in row.select("td")][:5] == [
        "web12",
        "alive",
        "1",
        "1",
        "0",
    ]
    page = admin.get("/workers/web12")
    assert "1 completed, 0 failed" in page.text
    assert page.select("#held progress")["value"] == "62.0"
    assert str(held["id"]) in page.select("#held").text


def test_the_tasks_of_a_worker_are_released(api: Api, admin: Visitor) -> None:
    api.register("mail")
    task = api.create("mail")
    api.post("/tasks/claim", {"worker_id": "gone"})
    assert "Release the tasks of gone?" in admin.post("/workers/gone/release").title
    page = admin.follow(admin.post("/workers/gone/release", {"confirmed": "yes"}))
    assert "A task was released" in page.text
    assert "left" in page.title
    assert api.get(f"/tasks/{task['id']}").data["status"] == "pending"


def test_a_worker_that_never_came(admin: Visitor) -> None:
    assert admin.get("/workers/nobody").status == 404


def test_hostile_names_are_shown_as_they_are(api: Api, admin: Visitor) -> None:
    api.post(
        "/workers/register", {"worker_id": HOSTILE, "host": HOSTILE, "metadata": {"x": HOSTILE}}
    )
    listed = admin.get("/workers")
    assert HOSTILE in listed.text
    assert not listed.soup.select("main script")
    page = admin.request("GET", str(listed.select("td a")["href"]))
    assert page.title.startswith(HOSTILE)
    assert not page.soup.select("main script")


def test_workers_come_in_pages(api: Api, admin: Visitor) -> None:
    for number in range(51):
        api.post("/workers/register", {"worker_id": f"worker-{number}"})
    first = admin.get("/workers")
    assert len(first.soup.select("tbody tr")) == 50
    older = admin.request("GET", str(first.select('a[rel="next"]')["href"]))
    assert older.all("td.name a") == ["worker-0"]
    assert admin.get("/workers?page=99999999999999999999").status == 200
