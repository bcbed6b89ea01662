"""Failed tasks in groups."""

from __future__ import annotations

import csv
import io
import json

import pytest

from app.dashboard.pages import failures as page_of_failures
from tests.api.caller import Api
from tests.dashboard.test_bulk import failed, go_on, status
from tests.dashboard.test_tasks import HOSTILE, ids
from tests.dashboard.visitor import PageSeen, Visitor


def follow(admin: Visitor, page: PageSeen, label: str, position: int = 0) -> PageSeen:
    links = [each for each in page.soup.select("tbody a") if each.get_text() == label]
    return admin.request("GET", str(links[position]["href"]))


def test_without_failures(admin: Visitor) -> None:
    assert "No task is failed." in admin.get("/failures").text


def test_a_group_is_shown_with_its_tasks(api: Api, admin: Visitor) -> None:
    full = failed(api, 3, "mailbox 'ada' full", "mail")
    failed(api, 1, "no route", "mail")
    page = admin.get("/failures")
    assert page.select("h2").get_text() == "4 failed tasks in 2 groups"
    first, second = page.all("tbody tr")
    assert first.startswith("mailbox 'ada' full mail · for example task")
    assert " 3 " in first
    assert "first" in first
    assert second.startswith("no route mail")
    assert ids(follow(admin, page, "mailbox 'ada' full")) == full[::-1]


@pytest.mark.parametrize("type", ["mail", "100%_mail"])
def test_a_group_is_retried(api: Api, admin: Visitor, type: str) -> None:
    full = failed(api, 3, "mailbox full", type)
    others = [*failed(api, 2, "no route", type), *failed(api, 1, "mailbox full", "100% other")]
    asked = follow(admin, admin.get("/failures"), "Retry…")
    assert "3 tasks will be retried" in asked.text
    assert "3 tasks retried." in go_on(admin, asked).text
    assert {status(api, each) for each in full} == {"pending"}
    assert {status(api, each) for each in others} == {"failed"}


def test_a_group_is_deleted(api: Api, admin: Visitor) -> None:
    failed(api, 2, "mailbox full")
    (other,) = failed(api, 1, "no route")
    go_on(admin, follow(admin, admin.get("/failures"), "Delete…"))
    assert ids(admin.get("/tasks")) == [other]


def test_of_one_type(api: Api, admin: Visitor) -> None:
    failed(api, 2, "mailbox full", "mail")
    failed(api, 1, "no route", "image")
    page = admin.get("/failures?type=image")
    assert page.select("h2").get_text() == "1 failed task in 1 group"
    assert page.form("/dashboard/failures")["type"] == "image"


def test_an_unknown_type(api: Api, admin: Visitor) -> None:
    page = admin.get("/failures?type=none")
    assert page.status == 404
    assert "is not registered" in page.select("#wrong-type").get_text()
    assert page.form("/dashboard/failures")["type"] == "none"


def test_tasks_without_a_group(api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """They failed under a version that had no groups."""
    made = failed(api, 2)
    api.sql("DELETE FROM task_errors")
    monkeypatch.setattr(admin.site.settings, "enable_task_history", False)
    page = admin.get("/failures")
    assert page.select("h2").get_text() == "2 failed tasks in 1 group"
    assert not page.soup.select("tbody a.button")
    assert ids(follow(admin, page, "An error without a message")) == made[::-1]


def test_more_groups_than_are_shown(
    api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of_failures, "MOST_GROUPS", 1)
    failed(api, 2, "mailbox full")
    failed(api, 1, "no route")
    page = admin.get("/failures")
    assert page.select("h2").get_text() == "2 failed tasks in the largest 1 group"
    assert json.loads(admin.get("/failures?format=json").body)["is_capped"] is True


def test_hostile_text(api: Api, admin: Visitor) -> None:
    failed(api, 1, HOSTILE, "<b>")
    page = admin.get("/failures")
    assert "<script>alert(1)</script>[U+202E]fdp." in page.text
    assert not page.soup.select("script:not([src]), bdi b, bdi script")
    assert "\u202e" not in page.body.decode()


def test_as_json(api: Api, admin: Visitor) -> None:
    failed(api, 2, "mailbox full")
    assert json.loads(admin.get("/failures?format=json").body) == {
        "failures": api.get("/failures").data["failures"],
        "count": 1,
        "is_capped": False,
    }


def test_as_csv(api: Api, admin: Visitor) -> None:
    failed(api, 2, "=1+1")
    text = admin.get("/failures?format=csv").body.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["error"], row["count"]) == ("'=1+1", "2")
    assert list(row) == list(page_of_failures.COLUMNS)


def test_an_open_page_asks_for_what_is_new(api: Api, admin: Visitor) -> None:
    failed(api, 1)
    etag = admin.get("/failures", x_live="1").headers["ETag"]
    assert admin.get("/failures", x_live="1", if_none_match=etag).status == 304
    failed(api, 1)
    assert admin.get("/failures", x_live="1", if_none_match=etag).status == 200


def test_readers_see_no_buttons(api: Api, reader: Visitor) -> None:
    failed(api, 1)
    page = reader.get("/failures")
    assert page.all("tbody tr")
    assert not page.soup.select("tbody a.button")
