"""What is done to many tasks: to those that were selected, and to all that match."""

from __future__ import annotations

from typing import Any

import pytest

from app.dashboard.pages import bulk
from app.queue import audit, list_count
from tests.api.caller import Api
from tests.dashboard.test_tasks import fail, make
from tests.dashboard.visitor import PageSeen, Visitor


def failed(api: Api, count: int, error: str = "no route", type: str = "job") -> list[int]:
    api.register(type)
    tasks = [{"type": type, "params": {}, "dedupe": False} for _ in range(count)]
    made = [each["id"] for each in api.post("/tasks", {"tasks": tasks}).data["tasks"]]
    api.claim(limit=count, task_types=[type])
    for task_id in made:
        fail(api, task_id, error, retry=False)
    return made


def status(api: Api, task_id: int) -> str:
    return str(api.task(task_id)["status"])


def post(admin: Visitor, action: str, ids: list[int] = (), **fields: Any) -> PageSeen:  # type: ignore[assignment]
    pairs = [("action", action), *(("ids", str(each)) for each in ids), *fields.items()]
    return admin.post("/tasks/bulk", pairs)


def go_on(admin: Visitor, page: PageSeen) -> PageSeen:
    """As somebody without a script does: the form with the button."""
    form = page.select('form[action="/dashboard/tasks/bulk/run"]')
    inputs = form.select("input[name]")
    return admin.post("/tasks/bulk/run", [(str(i["name"]), str(i["value"])) for i in inputs])


@pytest.fixture
def in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "STEP", 2)


class TestSelected:
    def test_retry(self, api: Api, admin: Visitor) -> None:
        made = failed(api, 3)
        page = post(admin, "retry", made[:2], status="failed", back_before_id="99")
        assert page.location == "/dashboard/tasks?status=failed&before_id=99"
        assert [status(api, each) for each in made] == ["pending", "pending", "failed"]
        assert "2 tasks retried." in admin.follow(page).text
        entry = audit.read(api.site, 10)[0]
        assert (entry["actor"], entry["action"]) == ("anybody (dashboard)", "tasks.retry")

    def test_cancel(self, api: Api, admin: Visitor) -> None:
        (task_id,) = make(api)
        assert "1 task cancelled." in admin.follow(post(admin, "cancel", [task_id])).text
        assert status(api, task_id) == "cancelled"

    def test_deleting_asks_first(self, api: Api, admin: Visitor) -> None:
        made = make(api, 3)
        page = post(admin, "delete", made[:2], tag="x y")
        assert (page.status, page.title) == (200, "Delete 2 tasks?")
        assert "cannot be undone" in page.text
        assert page.soup.select('a[href="/dashboard/tasks?tag=x+y"]')
        form = page.select('form[action="/dashboard/tasks/bulk"]')
        pairs = [(str(i["name"]), str(i["value"])) for i in form.select("input[name]")]
        done = admin.post("/tasks/bulk", pairs)
        assert done.location == "/dashboard/tasks?tag=x+y"
        assert [api.get(f"/tasks/{each}").status for each in made] == [404, 404, 200]

    def test_it_says_which_could_not_be_changed(self, api: Api, admin: Visitor) -> None:
        (over,) = failed(api, 1)
        (waiting,) = make(api)
        text = admin.follow(post(admin, "retry", [over, waiting])).text
        assert "1 task retried, 1 could not be." in text
        assert f"Task {waiting} is pending: only failed" in text

    @pytest.mark.parametrize("ids", [[], [-1, 0], [10**30]])
    def test_nothing_selected(self, api: Api, admin: Visitor, ids: list[int]) -> None:
        make(api)
        with api.unchanged():
            page = post(admin, "retry", ids)
            assert "select some tasks first" in admin.follow(page).text

    def test_what_is_not_there(self, api: Api, admin: Visitor) -> None:
        assert "Task 999 not found" in admin.follow(post(admin, "retry", [999])).text

    @pytest.mark.parametrize("action", ["", "drop", "<b>"])
    def test_an_unknown_action(self, api: Api, admin: Visitor, action: str) -> None:
        made = make(api)
        with api.unchanged():
            page = post(admin, action, made)
        assert page.status == 400
        assert "must be one of retry, cancel, delete" in page.text


class TestAllThatMatch:
    def test_it_asks_with_the_number(self, api: Api, admin: Visitor) -> None:
        failed(api, 3)
        make(api, 2)
        page = post(admin, "retry", [], all="yes", status="failed", age="day")
        assert page.location == "/dashboard/tasks/bulk?action=retry&status=failed&age=day"
        with api.unchanged():
            page = admin.follow(page)
        assert "3 tasks will be retried" in page.text
        assert page.all("form button")[-1] == "Retry 3 tasks"

    def test_all_that_there_are(self, api: Api, admin: Visitor) -> None:
        make(api, 3)
        page = admin.get("/tasks/bulk?action=delete")
        assert "3 tasks will be deleted: all that there are. They are gone" in page.text
        assert "3 tasks deleted." in go_on(admin, page).text
        assert api.get("/tasks").data["count"] == 0

    def test_a_number_that_is_not_exact(
        self, api: Api, admin: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(list_count, "COUNT_SECONDS", 0)
        monkeypatch.setattr(list_count, "SURELY_READ", 1)
        failed(api, 3)
        page = admin.get("/tasks/bulk?action=retry&status=failed&age=day")
        assert "At least 1 tasks will be retried" in page.text
        assert page.all("form button")[-1] == "Retry all of them"

    def test_none_that_can_be(self, api: Api, admin: Visitor) -> None:
        make(api, 2)
        page = admin.get("/tasks/bulk?action=retry&status=pending")
        assert "None of the tasks that match can be retried: only failed" in page.text
        assert not page.soup.select("main form")

    @pytest.mark.usefixtures("in_steps")
    def test_step_by_step(self, api: Api, admin: Visitor) -> None:
        made = failed(api, 5)
        others = make(api, 2)
        page = go_on(admin, admin.get("/tasks/bulk?action=retry&status=failed"))
        assert "2 tasks retried of 5 so far." in page.text
        bar = page.select("progress")
        assert (bar["value"], bar["max"]) == ("2", "5")
        assert [status(api, each) for each in made] == ["failed"] * 3 + ["pending"] * 2
        page = go_on(admin, page)
        assert "4 tasks retried of 5 so far." in page.text
        page = go_on(admin, page)
        assert "5 tasks retried." in page.text
        assert page.all("h2") == ["Done"]
        assert not page.soup.select("main form")
        assert {status(api, each) for each in [*made, *others]} == {"pending"}

    @pytest.mark.usefixtures("in_steps")
    def test_tasks_that_come_later_are_left_out(self, api: Api, admin: Visitor) -> None:
        make(api, 3)
        page = admin.get("/tasks/bulk?action=cancel&type=job")
        later = make(api, 3)
        while page.soup.select("main form"):
            page = go_on(admin, page)
        assert "3 tasks cancelled." in page.text
        assert {status(api, each) for each in later} == {"pending"}

    @pytest.mark.usefixtures("in_steps")
    def test_a_step_that_is_sent_twice(self, api: Api, admin: Visitor) -> None:
        failed(api, 3)
        page = admin.get("/tasks/bulk?action=retry&status=failed")
        go_on(admin, page)
        page = go_on(admin, page)
        assert "1 task retried." in page.text

    @pytest.mark.usefixtures("in_steps")
    def test_an_age_is_fixed_when_it_is_asked(self, api: Api, admin: Visitor) -> None:
        old, *_ = make(api, 4)
        day_ago = api.site.db.dialect.after(str(-2 * 86400))
        api.sql(f"UPDATE tasks SET created_at = {day_ago} WHERE id = :id", id=old)
        page = admin.get("/tasks/bulk?action=cancel&age=day")
        assert "age" not in page.form("/dashboard/tasks/bulk/run")
        while page.soup.select("main form"):
            page = go_on(admin, page)
        assert "3 tasks cancelled." in page.text
        assert status(api, old) == "pending"

    def test_a_search(self, api: Api, admin: Visitor) -> None:
        found = make(api, 2, params={"to": "customer-7"})
        others = make(api, 2)
        page = go_on(admin, admin.get("/tasks/bulk?action=cancel&q=customer-7"))
        assert "2 tasks cancelled." in page.text
        assert {status(api, each) for each in found} == {"cancelled"}
        assert {status(api, each) for each in others} == {"pending"}

    @pytest.mark.parametrize("shown", ["pending", "scheduled"])
    def test_scheduled_tasks_are_no_pending_ones(
        self, api: Api, admin: Visitor, shown: str
    ) -> None:
        made = {"pending": make(api)[0], "scheduled": make(api, delay=3600)[0]}
        go_on(admin, admin.get(f"/tasks/bulk?action=cancel&status={shown}"))
        ended = [name for name, each in made.items() if status(api, each) == "cancelled"]
        assert ended == [shown]

    def test_why_some_were_not_changed(self, api: Api, admin: Visitor) -> None:
        """A later task has taken over the key."""
        api.register("job")
        first = api.create("job", {}, dedupe_key="<k>", dedupe="active")["id"]
        api.claim()
        fail(api, first, "no route", retry=False)
        api.create("job", {}, dedupe_key="<k>", dedupe="active")
        page = go_on(admin, admin.get("/tasks/bulk?action=retry&status=failed"))
        assert "0 tasks retried, 1 could not be." in page.text
        (reason,) = page.all("main li")
        assert reason.startswith(f"A newer task with the same dedupe key as task {first}")

    def test_without_an_action_it_leads_to_the_list(self, api: Api, admin: Visitor) -> None:
        assert admin.get("/tasks/bulk").location == "/dashboard/tasks"

    def test_wrong_filters_lead_to_the_list_that_says_so(self, api: Api, admin: Visitor) -> None:
        page = admin.get("/tasks/bulk?action=retry&created_after=x&tag=a")
        assert page.location == "/dashboard/tasks?tag=a&created_after=x"

    @pytest.mark.parametrize(
        "changes",
        [{"before_id": ""}, {"before_id": "0"}, {"created_after": "x"}, {"status": "open"}],
    )
    def test_a_form_that_was_changed_does_nothing(
        self, api: Api, admin: Visitor, changes: dict[str, str]
    ) -> None:
        failed(api, 2)
        form = admin.get("/tasks/bulk?action=retry").form("/dashboard/tasks/bulk/run")
        with api.unchanged():
            assert admin.post("/tasks/bulk/run", {**form, **changes}).status == 400


class TestReaders:
    @pytest.mark.parametrize("path", ["/tasks/bulk", "/tasks/bulk/run"])
    def test_they_change_nothing(self, api: Api, reader: Visitor, path: str) -> None:
        made = make(api)
        fields = {"action": "cancel", "ids": made[0], "before_id": made[0] + 1}
        with api.unchanged("sessions"):
            assert reader.post(path, fields).status == 403
            assert reader.get("/tasks/bulk?action=cancel").status == 403
