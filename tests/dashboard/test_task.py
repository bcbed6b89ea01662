"""The page of one task, and what can be done there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.queue.task_detail import MOST_CHANGES
from app.queue.upkeep import schedules
from app.queue.upkeep.turn import Budget
from tests.api.caller import Api
from tests.dashboard.hostile import HOSTILE, SCRIPT, check_harmless
from tests.dashboard.visitor import PageSeen, Visitor

MAIL = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "order": {"type": "integer", "minimum": 1}},
    "required": ["to"],
    "additionalProperties": False,
}


@pytest.fixture
def mail(api: Api) -> str:
    api.register("shop.mail", MAIL, retry_delay=0, max_attempts=2)
    return "shop.mail"


def failed(api: Api, type: str = "shop.mail", params: Any = None, **report: Any) -> int:
    """A task that has failed for good."""
    task = api.create(type, params or {"to": "a@example.org"}, dedupe=False)
    fail(api, type, retry=False, **report)
    return int(task["id"])


def fail(api: Api, type: str, **report: Any) -> None:
    claimed = api.claim("w1", task_types=[type])
    body = {"worker_id": "w1", "attempt": claimed["attempts"], "error": "no route", **report}
    assert api.post(f"/tasks/{claimed['id']}/fail", body).status == 200


def actions(page: PageSeen) -> set[str]:
    return {str(form["action"]).rpartition("/")[2] for form in page.soup.select("form")} - {
        "sign-out"
    }


class TestWhatIsShown:
    def test_a_failed_task_says_why(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api, error="SMTP refused", traceback="Traceback\n  line 41")
        page = admin.get(f"/tasks/{task_id}")
        assert page.title == mail
        assert page.all("#state strong") == ["SMTP refused"]
        assert "Traceback line 41" in page.text
        assert "in attempt 1 of 2 by w1" in page.text

    def test_every_attempt_has_its_error_and_traceback(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        task = api.create(mail, {"to": "a"})
        for number in (1, 2):
            fail(api, mail, error=f"error {number}", traceback=f"trace {number}", delay=0)
        page = admin.get(f"/tasks/{task['id']}")
        assert page.all("#outcome h2") == ["Attempt 2", "Earlier attempts"]
        assert "error 2" in page.text
        earlier = page.select("#outcome details")
        assert "error 1" in earlier.text
        assert "trace 1" in earlier.text

    def test_a_traceback_is_kept_by_its_end(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.create(mail, {"to": "a"})
        fail(api, mail, traceback="x" * 50_000 + " the end", delay=0)
        kept = api.sql(
            "SELECT traceback FROM task_history WHERE task_id = :id AND message = 'no route'",
            id=task["id"],
        )
        assert [len(row["traceback"]) for row in kept] == [8000]
        assert kept[0]["traceback"].endswith(" the end")

    def test_the_timeline_tells_what_came_after_what(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        task = api.create(mail, {"to": "a"}, delay=3600)
        api.make_due(task["id"])
        fail(api, mail, delay=3600)
        api.make_due(task["id"])
        api.claim("w2", task_types=[mail])
        page = admin.get(f"/tasks/{task['id']}")
        labels = [label for label in page.all(".timeline > span") if label != "waited"]
        assert labels == ["delayed", "attempt 1", "backoff", "attempt 2"]
        bars = page.soup.select(".timeline svg rect:last-child")
        assert float(str(bars[-1]["x"])) + float(str(bars[-1]["width"])) == pytest.approx(100)

    def test_many_attempts_are_cut(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.create(mail, {"to": "a"})
        trace = "x" * 8000
        rows = [
            f"({task['id']}, '{status}', 'w1', {n}, 'again', '{trace}', 1, '2026-01-01')"
            for n in range(1, 300)
            for status in ("claimed", "pending")
        ]
        api.sql(
            "INSERT INTO task_history (task_id, status, worker_id, attempt, message, "
            "traceback, seconds, created_at) "
            f"VALUES {', '.join(rows)}"
        )
        page = admin.get(f"/tasks/{task['id']}")
        assert f"newest {MOST_CHANGES} changes" in page.text
        assert "earlier ones are not shown" in page.text
        assert len(page.body) < 60_000

    def test_without_a_history_the_task_itself_is_told(
        self, api: Api, mail: str, admin: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.site.settings, "enable_task_history", False)
        page = admin.get(f"/tasks/{failed(api, traceback='where')}")
        assert "attempt 1" in page.all(".timeline > span")
        assert "no route" in page.select("#outcome").text
        assert "where" in page.select("#outcome").text

    def test_progress_is_live(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.claimed(mail, params={"to": "a"})
        body = {"worker_id": "w1", "progress": 40, "message": "row 4"}
        api.post(f"/tasks/{task['id']}/progress", body)
        page = admin.get(f"/tasks/{task['id']}")
        assert page.select("main")["data-live"] == "15"
        assert page.select("progress")["value"] == "40.0"
        assert "row 4 40 %" in page.select("#state").get_text(" ", strip=True)

    def test_an_open_page_gets_only_what_has_changed(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        path = f"/tasks/{api.claimed(mail, params={'to': 'a'})['id']}"
        first = admin.get(path, x_live="1")
        etag = first.headers["ETag"]
        assert admin.get(path, x_live="1", if_none_match=etag).status == 304
        api.sql("UPDATE tasks SET progress = 7")
        assert admin.get(path, x_live="1", if_none_match=etag).status == 200

    def test_an_ended_task_is_not_live(self, api: Api, mail: str, admin: Visitor) -> None:
        page = admin.get(f"/tasks/{failed(api)}")
        assert not page.select("main").get("data-live")

    def test_a_result(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.claimed(mail, params={"to": "a"})
        body = {"worker_id": "w1", "result": {"sent": True}}
        api.post(f"/tasks/{task['id']}/complete", body)
        page = admin.get(f"/tasks/{task['id']}")
        assert page.all("#state .status") == ["completed"]
        assert '"sent": true' in page.text

    def test_tasks_with_the_same_error(self, api: Api, mail: str, admin: Visitor) -> None:
        ids = [failed(api, error=f"no route to host {n}") for n in range(3)]
        page = admin.get(f"/tasks/{ids[0]}")
        assert "3 tasks failed like this" in page.text
        group = api.sql("SELECT DISTINCT error_group FROM task_errors")[0]["error_group"]
        links = [str(a["href"]) for a in page.soup.select("#state a")]
        assert any(f"error_group={group}" in link for link in links)

    def test_where_it_comes_from_and_what_it_enqueued(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        parent = api.create(mail, {"to": "parent"})
        child = api.create(mail, {"to": "child"}, parent_id=parent["id"])
        page = admin.get(f"/tasks/{parent['id']}")
        assert page.all("#children td a") == [str(child["id"])]
        assert f"by task {parent['id']} ( shop.mail )" in admin.get(f"/tasks/{child['id']}").text

    def test_the_schedule_that_made_it(self, api: Api, mail: str, admin: Visitor) -> None:
        body = {"name": "nightly", "type": mail, "params": {"to": "a"}, "every": 3600}
        assert api.post("/schedules", body).status == 201
        past = api.site.db.dialect.after("-10")
        api.sql(f"UPDATE schedules SET next_at = {past}")
        schedules.make_due_tasks(api.site, Budget(None))
        page = admin.get(f"/tasks/{api.sql('SELECT id FROM tasks')[0]['id']}")
        assert "by the schedule nightly" in page.text

    def test_a_lease_that_has_ended_is_told_so(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.claimed(mail)
        assert "The lease ends in " in admin.get(f"/tasks/{task['id']}").text
        api.make_due(task["id"])
        text = admin.get(f"/tasks/{task['id']}").text
        assert "The lease ends" not in text
        assert "the next claim takes it back" in text

    def test_the_schedule_that_was_run_by_hand(self, api: Api, mail: str, admin: Visitor) -> None:
        body = {"name": "nightly", "type": mail, "params": {"to": "a"}, "every": 3600}
        assert api.post("/schedules", body).status == 201
        made = api.post("/schedules/nightly/run").data["task_id"]
        assert "by the schedule nightly" in admin.get(f"/tasks/{made}").text

    def test_a_tag_that_looks_like_a_schedule_s_fools_nobody(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        body = {"name": "nightly", "type": mail, "params": {"to": "a"}, "every": 3600}
        assert api.post("/schedules", body).status == 201
        api.post("/schedules/nightly/run")
        for tag in ("schedule:nightly", "schedule:", "schedule:x"):
            task = api.create(mail, {"to": tag}, tags=[tag])
            assert "by the schedule" not in admin.get(f"/tasks/{task['id']}").text

    def test_a_key_that_looks_like_a_schedule_s_fools_nobody(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        body = {"name": "nightly", "type": mail, "params": {"to": "a"}, "every": 3600}
        assert api.post("/schedules", body).status == 201
        schedule_id = api.sql("SELECT id FROM schedules")[0]["id"]
        for key in (f"schedule:{schedule_id}:2026-01-01 00:00:00.000", "schedule:", "schedule:x:y"):
            task = api.create(mail, {"to": "b"}, dedupe_key=key)
            assert "by the schedule" not in admin.get(f"/tasks/{task['id']}").text


class TestWhyItWaits:
    def reasons(self, api: Api, admin: Visitor, **options: Any) -> str:
        task = api.create("shop.mail", {"to": "a"}, dedupe=False, **options)
        return admin.get(f"/tasks/{task['id']}").select("#state").get_text(" ", strip=True)

    def test_its_type_is_paused(self, api: Api, mail: str, admin: Visitor) -> None:
        api.post("/task-types/shop.mail/pause")
        assert "Its type is paused." in self.reasons(api, admin)

    def test_the_queue_is_paused(self, api: Api, mail: str, admin: Visitor) -> None:
        assert api.post("/queue/pause").status == 200
        assert "The whole queue is paused." in self.reasons(api, admin)
        api.post("/queue/resume")

    def test_its_time_has_not_come(self, api: Api, mail: str, admin: Visitor) -> None:
        assert "It waits for its time" in self.reasons(api, admin, delay=60)

    def test_as_many_run_as_may(self, api: Api, admin: Visitor) -> None:
        api.register("shop.mail", MAIL, max_running=1)
        api.claimed("shop.mail", params={"to": "first"})
        api.register("shop.mail", MAIL, max_running=1)
        assert "1 of 1" in self.reasons(api, admin)

    def test_no_worker_is_there(self, api: Api, mail: str, admin: Visitor) -> None:
        assert "No worker was seen" in self.reasons(api, admin)

    def test_it_is_next(self, api: Api, mail: str, admin: Visitor) -> None:
        api.claim("w1")
        assert "waits for a worker" in self.reasons(api, admin)

    def test_others_come_first(self, api: Api, mail: str, admin: Visitor) -> None:
        api.claim("w1")
        for number in range(2):
            api.create(mail, {"to": f"{number}"}, priority=5)
        assert "2 tasks of any type come before it" in self.reasons(api, admin)


class TestWhoDidWhat:
    def test_what_was_done_by_hand(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.create(mail, {"to": "a"})
        address = f"/tasks/{task['id']}"
        assert admin.get(address).soup.select("#actions") == []
        assert api.post(f"{address}/cancel").status == 200
        assert api.post(f"{address}/retry").status == 200
        (actor,) = {row["actor"] for row in api.sql("SELECT actor FROM audit_log")}
        told = admin.get(address).select("#actions").get_text(" ", strip=True)
        assert told.index(f"cancel {actor}") < told.index(f"retry {actor}")


class TestWhatCanBeDone:
    def test_the_buttons_fit_the_status(self, api: Api, mail: str, admin: Visitor) -> None:
        pending = api.create(mail, {"to": "a"})["id"]
        scheduled = api.create(mail, {"to": "b"}, delay=60)["id"]
        assert actions(admin.get(f"/tasks/{pending}")) == {"cancel", "delete"}
        assert actions(admin.get(f"/tasks/{scheduled}")) == {"retry", "cancel", "delete"}
        claimed = api.claim("w1")["id"]
        assert actions(admin.get(f"/tasks/{claimed}")) == {"release", "cancel"}
        assert actions(admin.get(f"/tasks/{failed(api)}")) == {"retry", "delete"}

    def test_retry(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api)
        page = admin.follow(admin.post(f"/tasks/{task_id}/retry"))
        assert "The task is pending again." in page.all(".notice")
        assert api.task(task_id)["status"] == "pending"
        assert self.audited(api) == ("task.retry", str(task_id))

    def test_cancel(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = api.create(mail, {"to": "a"})["id"]
        page = admin.follow(admin.post(f"/tasks/{task_id}/cancel"))
        assert page.all("#state .status") == ["cancelled"]
        assert self.audited(api) == ("task.cancel", str(task_id))

    def test_a_worker_is_asked_to_stop(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = api.claimed(mail, params={"to": "a"})["id"]
        page = admin.follow(admin.post(f"/tasks/{task_id}/cancel"))
        assert "asked to stop" in page.select("#state").text
        assert actions(page) == {"release"}

    def test_release_takes_a_task_from_its_worker(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        task_id = api.claimed(mail, params={"to": "a"})["id"]
        question = admin.post(f"/tasks/{task_id}/release")
        assert question.title == f"Release task {task_id}?"
        assert api.task(task_id)["status"] == "claimed"
        fields = question.form(f"/dashboard/tasks/{task_id}/release")
        page = admin.follow(admin.post(f"/tasks/{task_id}/release", fields))
        assert page.all("#state .status") == ["pending"]
        assert (api.task(task_id)["releases"], api.task(task_id)["max_attempts"]) == (1, 3)
        late = api.post(f"/tasks/{task_id}/complete", {"worker_id": "w1", "attempt": 1})
        assert late.status == 409
        assert self.audited(api) == ("task.release", str(task_id))

    def test_only_a_claimed_task_is_released(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api)
        page = admin.post(f"/tasks/{task_id}/release", {"confirmed": "yes"})
        assert (page.status, api.task(task_id)["status"]) == (409, "failed")

    def test_delete_asks_first(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api)
        question = admin.post(f"/tasks/{task_id}/delete")
        fields = question.form(f"/dashboard/tasks/{task_id}/delete")
        assert admin.post(f"/tasks/{task_id}/delete", fields).location == "/dashboard/tasks"
        assert admin.get(f"/tasks/{task_id}").status == 404

    def test_a_retry_that_comes_too_late_says_so(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = api.claimed(mail, params={"to": "a"})["id"]
        page = admin.post(f"/tasks/{task_id}/retry")
        assert page.status == 409
        assert "only failed, cancelled and waiting tasks" in page.text

    def audited(self, api: Api) -> tuple[str, str]:
        row = api.sql("SELECT actor, action, target FROM audit_log ORDER BY id DESC LIMIT 1")[0]
        assert row["actor"] == "anybody (dashboard)"
        return row["action"], row["target"]


class TestEditing:
    def test_params_are_repaired_and_retried(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api, params={"to": "wrong", "order": 7})
        path = f"/tasks/{task_id}/edit"
        fields = admin.get(path).form(f"/dashboard{path}")
        assert (fields["param.to"], fields["param.order"]) == ("wrong", "7")
        fields.update({"param.to": "right", "priority": "5", "max_attempts": "4"})
        page = admin.follow(admin.post(path, fields))
        assert page.all("#state .status") == ["pending"]
        task = api.task(task_id)
        assert task["params"] == {"to": "right", "order": 7}
        assert (task["priority"], task["max_attempts"]) == (5, 5)

    def test_what_is_wrong_is_told_at_its_field(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api)
        path = f"/tasks/{task_id}/edit"
        entries = {"param.to": "", "param.order": "0", "priority": "high", "max_attempts": "0"}
        page = admin.post(path, entries)
        assert page.status == 400
        assert page.all("#f0-note .error") == ["is required"]
        assert page.all("#f1-note .error") == ["0 is less than the minimum of 1"]
        assert 'and is "high"' in page.text
        assert page.select("#max_attempts")["value"] == "0"
        assert page.select("#f1")["value"] == "0"
        assert api.task(task_id)["status"] == "failed"

    def test_params_as_json(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = failed(api)
        path = f"/tasks/{task_id}/edit"
        page = admin.get(f"{path}?as=json")
        assert json.loads(page.select("#params").text) == {"to": "a@example.org"}
        wrong = admin.post(path, {"as": "json", "params": '{"to": 1, "stray": 2}'})
        assert wrong.status == 400
        assert wrong.select("#params").text.strip() == '{"to": 1, "stray": 2}'
        assert [text.split()[0] for text in wrong.all("#params-note .error")] == [
            "params.to",
            "params.stray",
        ]
        assert admin.post(path, {"as": "json", "params": '{"to": "b"}'}).status == 303
        assert api.task(task_id)["params"] == {"to": "b"}

    def test_a_schema_that_has_changed_is_told_at_once(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        task_id = failed(api)
        api.register(mail, {"properties": {"to": {"type": "string", "maxLength": 3}}})
        page = admin.get(f"/tasks/{task_id}/edit")
        assert page.status == 200
        assert len(page.all("#f0-note .error")) == 1

    def test_a_claimed_task_cannot_be_edited(self, api: Api, mail: str, admin: Visitor) -> None:
        task_id = api.claimed(mail, params={"to": "a"})["id"]
        assert admin.get(f"/tasks/{task_id}/edit").status == 409


class TestHostileTasks:
    def test_text_of_strangers_is_shown_harmlessly(self, api: Api, admin: Visitor) -> None:
        name = f"type {SCRIPT} a\u202eb"
        api.register(name, True, description=HOSTILE)
        task = api.create(name, {"x": HOSTILE, HOSTILE: "\x00"}, tags=[SCRIPT, "a\u202eb"])
        api.claim(f"w {SCRIPT} a\u202eb", task_types=[name])
        report = {"worker_id": f"w {SCRIPT} a\u202eb", "progress": 5, "message": HOSTILE}
        assert api.post(f"/tasks/{task['id']}/progress", report).status == 200
        check_harmless(admin.get(f"/tasks/{task['id']}"))
        failure = {**report, "error": HOSTILE, "traceback": HOSTILE, "retry": False}
        assert api.post(f"/tasks/{task['id']}/fail", failure).status == 200
        page = admin.get(f"/tasks/{task['id']}")
        check_harmless(page)
        assert SCRIPT in page.text
        check_harmless(admin.get(f"/tasks/{task['id']}/edit"))
        check_harmless(admin.get(f"/tasks/new?type=x&copy_of={task['id']}"))

    def test_long_params_are_cut_and_can_be_saved(
        self, api: Api, mail: str, admin: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.site.settings, "max_params_bytes", 2_000_000)
        monkeypatch.setattr(api.site.settings, "max_body_bytes", 4_000_000)
        params = {"to": "x" * 1_000_000}
        task_id = api.create(mail, params)["id"]
        page = admin.get(f"/tasks/{task_id}")
        assert len(page.body) < 30_000
        saved = admin.get(f"/tasks/{task_id}/params")
        assert json.loads(saved.body) == params
        assert "attachment" in saved.headers["Content-Disposition"]

    @pytest.mark.parametrize("name", ["params", "result", "error"])
    def test_files_of_a_task(self, api: Api, mail: str, admin: Visitor, name: str) -> None:
        page = admin.get(f"/tasks/{failed(api, traceback=HOSTILE)}/{name}")
        assert page.status == 200
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert admin.get(f"/tasks/999999/{name}").status == 404


class TestReaders:
    def test_readers_see_everything_and_change_nothing(
        self, api: Api, mail: str, reader: Visitor
    ) -> None:
        task_id = failed(api, error="why")
        page = reader.get(f"/tasks/{task_id}")
        assert "why" in page.text
        assert actions(page) == set()
        assert "/edit" not in page.body.decode()
        for action in ("retry", "cancel", "release", "delete", "edit"):
            assert reader.post(f"/tasks/{task_id}/{action}").status == 403
        assert api.task(task_id)["status"] == "failed"

    def test_nobody_else_sees_it(self, api: Api, mail: str, reader: Visitor) -> None:
        task_id = failed(api)
        reader.cookies.clear()
        assert reader.get(f"/tasks/{task_id}").status == 303
