"""The list of tasks: what it shows, its filters, its pages, and the list as a file."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from app.dashboard.pages import tasks as page_of_tasks
from app.queue import newest_first, search
from tests.api.caller import Api
from tests.dashboard.visitor import PageSeen, Visitor

HOSTILE = "<script>alert(1)</script>\u202efdp.\x00\x1b[31m'\"&"


def make(api: Api, count: int = 1, **options: Any) -> list[int]:
    api.register("job")
    options.setdefault("params", {})
    tasks = [{"type": "job", "dedupe": False, **options}] * count
    return [each["id"] for each in api.post("/tasks", {"tasks": tasks}).data["tasks"]]


def fail(api: Api, task_id: int, error: str, **options: Any) -> None:
    body = {"worker_id": "w1", "error": error, **options}
    response = api.post(f"/tasks/{task_id}/fail", body)
    assert response.status == 200, response


def ids(page: PageSeen) -> list[int]:
    assert page.status == 200, page
    return [int(str(each["value"])) for each in page.soup.select('input[name="ids"]')]


def row(page: PageSeen, task_id: int) -> str:
    """The text of a task's line."""
    for each in page.soup.select("tbody tr"):
        if each.select(f'input[value="{task_id}"]'):
            return " ".join(each.get_text(" ").split())
    raise AssertionError(f"no task {task_id} in {page}")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_of_tasks, "PAGE", 3)


def test_without_tasks_it_says_where_they_come_from(admin: Visitor) -> None:
    page = admin.get("/tasks")
    assert "There are no tasks yet" in page.text
    assert page.soup.select('p.empty a[href="/dashboard/tasks/new"]')


def test_what_matters_in_each_status(api: Api, admin: Visitor) -> None:
    failed = api.claimed("mail", params={"to": "ada"})["id"]
    fail(api, failed, "mailbox full", retry=False)
    again = api.claimed("mail")["id"]
    fail(api, again, "try later")
    running = api.claimed("image")["id"]
    progress = {"worker_id": "w1", "progress": 62.9, "message": "resizing"}
    api.post(f"/tasks/{running}/progress", progress)
    done = api.claimed("mail")["id"]
    api.post(f"/tasks/{done}/complete", {"worker_id": "w1"})
    (later,) = make(api, delay=3600)
    (waiting,) = make(api, tags=["red"])
    (ended,) = make(api)
    api.post(f"/tasks/{ended}/cancel")

    page = admin.get("/tasks")
    assert page.select("h2").get_text().strip() == "7 tasks"
    assert f'{failed} mail failed {{"to": "ada"}} mailbox full' in row(page, failed)
    assert "scheduled" in row(page, again)
    assert "next attempt in" in row(page, again)
    assert "try later" in row(page, again)
    assert "claimed" in row(page, running)
    assert "62 %, resizing" in row(page, running)
    assert "by w1" in row(page, running)
    assert "completed {} took" in row(page, done)
    assert "scheduled {} runs in" in row(page, later)
    assert "pending {} waiting red" in row(page, waiting)
    assert "cancelled {} cancelled" in row(page, ended)


def test_a_worker_that_was_asked_to_stop_or_is_gone(api: Api, admin: Visitor) -> None:
    asked = api.claimed("job")["id"]
    api.post(f"/tasks/{asked}/cancel")
    gone = api.claimed("job")["id"]
    api.make_due(gone)
    page = admin.get("/tasks")
    assert "asked to stop" in row(page, asked)
    assert "its lease is over" in row(page, gone)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=pending", "pending"),
        ("status=scheduled", "scheduled"),
        ("status=claimed", "claimed"),
        ("status=failed", "failed"),
        ("type=image", "claimed"),
        ("type=im%25", "claimed"),
        ("tag=red", "pending"),
        ("worker_id=w1&status=claimed", "claimed"),
        ("age=hour&status=failed", "failed"),
        ("created_after=2020-01-01&status=failed", "failed"),
        ("q=mailbox", "failed"),
        ("q=red", "pending"),
        ("status=failed&tag=red", None),
        ("created_before=2020-01-01", None),
    ],
)
def test_filters(api: Api, admin: Visitor, query: str, found: str | None) -> None:
    made = {"failed": api.claimed("mail")["id"]}
    fail(api, made["failed"], "mailbox full", retry=False)
    made["claimed"] = api.claimed("image")["id"]
    (made["scheduled"],) = make(api, delay=3600)
    (made["pending"],) = make(api, tags=["red"])
    page = admin.get(f"/tasks?{query}")
    assert ids(page) == ([made[found]] if found else [])
    if not found:
        assert "No task matches" in page.text


def test_an_error_group_is_a_filter(api: Api, admin: Visitor) -> None:
    first = api.claimed("mail")["id"]
    fail(api, first, "mailbox 1 full", retry=False)
    other = api.claimed("mail")["id"]
    fail(api, other, "no route", retry=False)
    (group,) = {
        each["error_group"]
        for each in api.get("/failures").data["failures"]
        if "full" in each["error"]
    }
    assert ids(admin.get(f"/tasks?error_group={group}")) == [first]


def test_tasks_of_an_age(api: Api, admin: Visitor) -> None:
    old, new = make(api, 2)
    days_ago = api.site.db.dialect.after(str(-3 * 86400))
    api.sql(f"UPDATE tasks SET created_at = {days_ago} WHERE id = :id", id=old)
    assert ids(admin.get("/tasks?age=day")) == [new]
    assert ids(admin.get("/tasks?age=week")) == [new, old]


def test_the_filters_stand_in_the_form_again(api: Api, admin: Visitor) -> None:
    make(api, tags=["red"])
    page = admin.get("/tasks?q=red&status=pending&type=job&age=day&tag=red&worker_id=w%26")
    form = page.select('form[role="search"]')
    selected = [str(each["value"]) for each in form.select("option[selected]")]
    assert selected == ["pending", "day"]
    values = admin.get("/tasks?q=red&type=job&tag=red&worker_id=w%26").form("/dashboard/tasks")
    assert {name: value for name, value in values.items() if value} == {
        "q": "red",
        "type": "job",
        "tag": "red",
        "worker_id": "w&",
    }
    assert form.select("details[open]")


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("created_after=nonsense", "created_after", "must be a time like"),
        ("error_group=x", "error_group", "must be a whole number"),
        ("status=open", "status", "must be one of pending, scheduled"),
        ("q=" + "x" * 201, "q", "must have 1 to 200 characters"),
    ],
)
def test_a_message_stands_at_its_field(
    api: Api, admin: Visitor, query: str, field: str, message: str
) -> None:
    make(api, tags=["red"])
    page = admin.get(f"/tasks?{query}&tag=red")
    assert page.status == 400
    wrong = page.select('form[role="search"] [aria-invalid="true"]')
    assert wrong["name"] == field
    note = page.select(f"#{wrong['aria-describedby']}")
    assert message in note.get_text()
    assert page.form("/dashboard/tasks")["tag"] == "red"
    assert not page.soup.select("tbody tr")


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("filters", ["", "status=pending&", "tag=red&type=j%25&"])
def test_pages_in_both_directions(api: Api, admin: Visitor, filters: str) -> None:
    made = make(api, 8, tags=["red"])[::-1]

    def follow(page: PageSeen, rel: str) -> PageSeen:
        return admin.request("GET", str(page.select(f'a[rel="{rel}"]')["href"]))

    first = admin.get(f"/tasks?{filters}")
    assert ids(first) == made[:3]
    assert not first.soup.select('a[rel="prev"]')
    second = follow(first, "next")
    assert ids(second) == made[3:6]
    last = follow(second, "next")
    assert ids(last) == made[6:]
    assert not last.soup.select('a[rel="next"]')
    back = follow(last, "prev")
    assert ids(back) == made[3:6]
    assert ids(follow(back, "prev")) == made[:3]
    assert ids(follow(follow(back, "prev"), "prev")) == made[:3]


@pytest.mark.usefixtures("small_pages")
def test_a_page_that_has_become_empty_leads_back(api: Api, admin: Visitor) -> None:
    made = make(api, 4)
    page = admin.get(f"/tasks?before_id={made[0]}")
    assert ids(page) == []
    assert ids(admin.request("GET", str(page.select('a[rel="prev"]')["href"]))) == made[2::-1]


def test_a_search_goes_on_where_it_ended(
    api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CHUNK", 2)
    monkeypatch.setattr(search, "LARGEST_CHUNK", 2)
    monkeypatch.setattr(search, "MOST_SEARCHED", 4)
    old = make(api, params={"to": "customer-7"})
    make(api, 5)
    page = admin.get("/tasks?q=customer-7&type=job")
    assert ids(page) == []
    assert "Nothing found so far" in page.text
    assert page.select("h2").get_text().strip() == "0 found among 4 tasks"
    page = admin.request("GET", str(page.select('a[rel="next"]')["href"]))
    assert ids(page) == old
    assert "All tasks were searched" in page.text
    assert page.select("h2").get_text().strip() == "1 found among 2 tasks"


def test_hostile_text_is_shown_and_does_nothing(api: Api, admin: Visitor) -> None:
    api.register("<b>%_job")
    task = api.create("<b>%_job", {"text": HOSTILE}, tags=["<i>tag\u202e"], dedupe_key="<u>")
    claimed = api.claim("<w\u202e>")
    assert claimed["id"] == task["id"]
    fail(api, task["id"], HOSTILE, worker_id="<w\u202e>", retry=False)
    page = admin.get("/tasks")
    text = row(page, task["id"])
    assert "<script>alert(1)</script>[U+202E]fdp.␀␛[31m'\"&" in text.replace("\ufffd", "␀")
    assert "<b>%_job" in text
    assert "<i>tag[U+202E]" in text
    assert not page.soup.select("script:not([src]), td b, td i, td u")
    html = page.body.decode()
    assert "\u202e" not in html.replace(page.select("datalist").decode(), "").replace(
        "%E2%80%AE", ""
    )
    assert "\x00" not in html
    assert "\x1b" not in html


def test_large_params_are_cut(api: Api, admin: Visitor) -> None:
    (task_id,) = make(api, params={"text": "x" * 200_000})
    page = admin.get("/tasks")
    assert row(page, task_id).count("x") < 200
    assert len(page.body) < 20_000


def test_a_tag_leads_to_its_tasks(api: Api, admin: Visitor) -> None:
    (task_id,) = make(api, tags=["a & b"])
    make(api, 2)
    link = admin.get("/tasks?status=pending").select("a.tag")
    assert ids(admin.request("GET", str(link["href"]))) == [task_id]
    assert "status=pending" in str(link["href"])


def test_an_open_page_asks_for_what_is_new(api: Api, admin: Visitor) -> None:
    make(api)
    first = admin.get("/tasks", x_live="1")
    assert "data-live" in str(admin.get("/tasks").select("main"))
    etag = first.headers["ETag"]
    assert admin.get("/tasks", x_live="1", if_none_match=etag).status == 304
    make(api)
    assert admin.get("/tasks", x_live="1", if_none_match=etag).status == 200


@pytest.mark.parametrize("query", ["q=x", "before_id=5", "status=nonsense"])
def test_pages_that_are_not_the_newest_tasks_stand_still(admin: Visitor, query: str) -> None:
    assert "data-live" not in str(admin.get(f"/tasks?{query}").select("main"))


def test_json_has_what_the_api_shows(api: Api, admin: Visitor) -> None:
    made = make(api, 3, tags=["red"], params={"to": "süß"})
    make(api, 2)
    response = admin.get("/tasks?tag=red&format=json")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(response.body) == {
        "tasks": [api.task(each) for each in made[::-1]],
        "count": 3,
        "is_capped": False,
        "next_before_id": None,
    }


def test_csv_has_a_line_a_task_and_no_formula(api: Api, admin: Visitor) -> None:
    api.register("=cmd")
    api.create("=cmd", {"to": "ada"}, tags=["+1", "b"], priority=-5, dedupe_key="@key")
    api.create("=cmd", {"to": 'a\n b,"c"'})
    response = admin.get("/tasks?format=csv")
    text = response.body.decode("utf-8-sig")
    second, first = csv.DictReader(io.StringIO(text, newline=""))
    assert first["type"] == "'=cmd"
    assert first["tags"] == "'+1, b"
    assert first["dedupe_key"] == "'@key"
    assert first["priority"] == "-5"
    assert json.loads(first["params"]) == {"to": "ada"}
    assert json.loads(second["params"]) == {"to": 'a\n b,"c"'}
    assert response.headers["Content-Disposition"] == 'attachment; filename="tasks.csv"'


def test_a_file_of_a_search(api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages of it, the exact hits too."""
    monkeypatch.setattr(newest_first, "SEARCH_CHUNK", 2)
    tagged = make(api, 5, tags=["red"])
    make(api, 3)
    in_params = make(api, 2, params={"colour": "dark red"})
    found = json.loads(admin.get("/tasks?q=red&format=json").body)
    assert sorted(each["id"] for each in found["tasks"]) == sorted(tagged + in_params)


def test_a_file_says_that_it_has_not_all(
    api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest_first, "MOST_TASKS", 4)
    made = make(api, 6)[::-1]
    response = admin.get("/tasks?format=csv")
    assert response.headers["Content-Disposition"].endswith('"tasks-first-4.csv"')
    data = json.loads(admin.get("/tasks?format=json").body)
    assert [each["id"] for each in data["tasks"]] == made[:4]
    assert data["is_capped"] is True
    rest = json.loads(admin.get(f"/tasks?format=json&before_id={data['next_before_id']}").body)
    assert [each["id"] for each in rest["tasks"]] == made[4:]
    assert rest["is_capped"] is False


def test_a_file_ends_where_it_is_long_enough(
    api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks with large params must not fill the memory."""
    monkeypatch.setattr(newest_first, "MOST_CHARACTERS", 5_000)
    monkeypatch.setattr(newest_first, "CHUNK", 1)
    monkeypatch.setattr(newest_first, "MANY_CHARACTERS", 1_000)
    make(api, 6, params={"text": "x" * 2_000})
    data = json.loads(admin.get("/tasks?format=json").body)
    assert (data["count"], data["is_capped"]) == (3, True)


def test_readers_see_no_buttons(api: Api, reader: Visitor) -> None:
    make(api)
    page = reader.get("/tasks")
    assert page.status == 200
    assert page.all("tbody tr")
    assert not page.soup.select("button[name=action], input[type=checkbox]")
    assert "New task" not in page.text
