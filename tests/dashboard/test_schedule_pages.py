"""The pages about schedules."""

from __future__ import annotations

import pytest

from tests.api.caller import Api
from tests.dashboard.visitor import Visitor

NIGHTLY = {
    "name": "nightly",
    "type": "report",
    "cron": "30 2 * * *",
    "timezone": "Europe/Prague",
    "params": '{"kind": "sales"}',
    "missed": "skip",
    "tags": "night, report",
}


@pytest.fixture(autouse=True)
def report(api: Api) -> None:
    api.register("report", {"type": "object", "properties": {"kind": {"type": "string"}}})


def test_a_schedule_is_made_by_a_form(api: Api, admin: Visitor) -> None:
    made = admin.post("/schedules", NIGHTLY)
    assert made.location == "/dashboard/schedules/nightly"
    page = admin.follow(made)
    assert "Schedule nightly was made" in page.text
    assert "At 02:30 every day, Europe/Prague time" in page.text
    assert len(page.soup.select("ol li")) == 5
    stored = api.get("/schedules/nightly").data
    assert (stored["params"], stored["missed"]) == ({"kind": "sales"}, "skip")
    assert stored["tags"] == ["night", "report"]


def test_a_notice_is_shown_once(admin: Visitor) -> None:
    admin.follow(admin.post("/schedules", NIGHTLY))
    assert "was made" not in admin.get("/schedules/nightly").text


def test_errors_stand_at_their_fields_and_nothing_is_lost(admin: Visitor) -> None:
    wrong = {**NIGHTLY, "cron": "61 2 * * *", "params": '{"kind": ', "timezone": "Mars/Olympus"}
    page = admin.post("/schedules", wrong)
    assert page.status == 400
    assert "is no cron expression" in page.select("#cron-note").text
    assert "must be an IANA time zone" in page.select("#timezone-note").text
    assert "is not valid" in page.select("#params-note").text
    assert page.select("textarea").text.strip() == '{"kind":'
    assert page.select("#name")["value"] == "nightly"
    assert page.select("#cron")["aria-invalid"] == "true"


def test_params_are_checked_as_those_of_tasks_are(admin: Visitor) -> None:
    page = admin.post("/schedules", {**NIGHTLY, "params": '{"kind": 7}'})
    assert page.status == 400
    assert "kind" in page.select("#params-note").text


def test_an_edited_schedule_keeps_what_is_not_changed(api: Api, admin: Visitor) -> None:
    admin.post("/schedules", NIGHTLY)
    form = admin.get("/schedules/nightly/edit")
    fields = form.form("/dashboard/schedules")
    fields["params"] = form.select("textarea").text.strip()
    fields["missed"] = str(form.select("#missed option[selected]")["value"])
    fields.pop("paused")
    fields["cron"] = "0 3 * * *"
    assert "was changed" in admin.follow(admin.post("/schedules", fields)).text
    stored = api.get("/schedules/nightly").data
    assert (stored["cron"], stored["missed"]) == ("0 3 * * *", "skip")
    assert (stored["params"], stored["tags"]) == ({"kind": "sales"}, ["night", "report"])


def test_pause_resume_run_and_delete(api: Api, admin: Visitor) -> None:
    admin.post("/schedules", NIGHTLY)
    assert "paused" in admin.follow(admin.post("/schedules/nightly/pause")).title
    assert api.get("/schedules/nightly").data["paused"] is True
    admin.post("/schedules/nightly/resume")
    assert api.get("/schedules/nightly").data["paused"] is False
    task_id = int(admin.post("/schedules/nightly/run").location.rpartition("/")[2])
    assert api.get(f"/tasks/{task_id}").data["params"] == {"kind": "sales"}
    page = admin.get("/schedules/nightly")
    assert f"task {task_id}" in page.text
    question = admin.post("/schedules/nightly/delete")
    assert (question.status, question.title) == (200, "Delete schedule nightly?")
    assert api.get("/schedules/nightly").status == 200
    admin.post("/schedules/nightly/delete", question.form("/dashboard/schedules/nightly/delete"))
    assert api.get("/schedules/nightly").status == 404


def test_each_action_is_in_the_audit_log_with_who_did_it(api: Api, admin: Visitor) -> None:
    admin.post("/schedules", NIGHTLY)
    admin.post("/schedules/nightly/pause")
    entries = api.get("/audit").data["entries"]
    assert [each["action"] for each in entries[:2]] == ["schedule.pause", "schedule.put"]
    assert entries[0]["actor"].endswith("(dashboard)")


def test_a_name_that_no_schedule_has(admin: Visitor) -> None:
    page = admin.get("/schedules/none")
    assert page.status == 404
    assert "none" in page.text


@pytest.mark.parametrize("name", ["a/b", "100 %", "größe", "<script>", "new"])
def test_any_name_works_in_addresses(admin: Visitor, name: str) -> None:
    made = admin.post("/schedules", {**NIGHTLY, "name": name})
    page = admin.follow(made)
    assert page.status == 200
    assert name in page.title
    listed = admin.get("/schedules").soup.select("td a")[0]
    assert admin.request("GET", str(listed["href"])).title == page.title
    assert "paused" in admin.follow(admin.post(made.location[len("/dashboard") :] + "/pause")).title


def test_without_schedules_the_page_says_what_they_are_for(admin: Visitor) -> None:
    assert "makes a task at each of its times" in admin.get("/schedules").text


def test_its_history_has_its_own_tasks_alone_and_all_of_them(api: Api, admin: Visitor) -> None:
    """Whatever tags other tasks have."""
    admin.post("/schedules", NIGHTLY)
    made = [api.post("/schedules/nightly/run").data["task_id"] for _ in range(60)]
    other = api.create("report", {"kind": "other"}, tags=["schedule:nightly"])
    page = admin.get("/schedules/nightly")
    listed = page.all("#runs td a")
    page = admin.request("GET", str(page.select('#runs a[rel="next"]')["href"]))
    listed += page.all("#runs td a")
    assert listed == [f"task {each}" for each in reversed(made)]
    assert f"task {other['id']}" not in listed
    newest = admin.request("GET", str(page.select('#runs a[rel="prev"]')["href"]))
    assert newest.all("#runs td a")[0] == f"task {made[-1]}"
    for odd in ("x", "2026-01-01", "1999-01-01 00:00:00.000"):
        assert admin.get(f"/schedules/nightly?before={odd.replace(' ', '%20')}").status == 200


def test_a_time_that_has_come_waits_for_the_next_claim(api: Api, admin: Visitor) -> None:
    admin.post("/schedules", NIGHTLY)
    api.sql(f"UPDATE schedules SET next_at = {api.site.db.dialect.after('-90')}")
    assert "with the next claim" in admin.get("/schedules").text
    assert "due: with the next claim" in admin.get("/schedules/nightly").all("ol li")[0]
