"""The pages of types: their list, one type, what is done to it, registering one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from app.queue.statistics.stats import Moment
from tests.api.caller import Api
from tests.dashboard.hostile import HOSTILE, SCRIPT, check_harmless
from tests.dashboard.visitor import PageSeen, Visitor

ODD_NAMES = [
    "a/b",
    "a//b",
    "/a",
    "a/",
    ".",
    "..",
    "a/../b",
    "100%",
    "%2e%2e",
    "a?b#c",
    "a b",
    "ünï ☃",
    "a\\b",
    "register",
    "x/pause",
    SCRIPT,
    "a\u202eb",
    "+&=;",
]


def names(page: PageSeen) -> list[str]:
    return [text.split(" ")[0] for text in page.all("#types tbody td:first-child a")]


def insert(api: Api, count: int, start: int = 0) -> None:
    names = [f"t{start + n:05}" for n in range(count)]
    rows = [f"('{name}', '1', '{{}}', 1, 0, '2026-01-01', '2026-01-01')" for name in names]
    api.sql(
        "INSERT INTO task_types (name, version, param_schema_json, is_active, is_paused, "
        f"created_at, updated_at) VALUES {', '.join(rows)}"
    )


def act(admin: Visitor, name: str, do: str, **fields: str) -> PageSeen:
    return admin.post("/types", {"name": name, "do": do, **fields})


class TestTheList:
    def test_it_tells_how_busy_each_is(self, api: Api, admin: Visitor) -> None:
        api.register("busy", max_running=9)
        api.register("calm")
        for n in range(12):
            claimed = api.claimed("busy")
            done = n % 4
            path = "complete" if done else "fail"
            body = {"worker_id": "w1", "error": "x", "retry": False} if not done else {}
            api.post(f"/tasks/{claimed['id']}/{path}", {"worker_id": "w1", **body})
        api.register("busy", max_running=9)
        api.create("busy")
        page = admin.get("/types")
        assert names(page) == ["busy", "calm"]
        cells = [cell.get_text(" ", strip=True) for cell in page.soup.select("tbody tr")[0]("td")]
        oldest = cells.pop(6)
        assert oldest == "now" or oldest.endswith(" ago")
        assert cells[4:] == ["25 %", "1", "0 of 9", "3"]
        label = str(page.select("svg.spark")["aria-label"])
        assert label == "Ended within the hour: 9 completed, 3 failed"

    def test_pages(self, api: Api, admin: Visitor) -> None:
        insert(api, 120)
        page = admin.get("/types")
        assert (len(names(page)), names(page)[0]) == (50, "t00000")
        assert "50 of 120" in page.text
        page = admin.request("GET", str(page.select('a[rel="next"]')["href"]))
        assert (names(page)[0], names(page)[-1]) == ("t00050", "t00099")
        page = admin.request("GET", str(page.select('a[rel="next"]')["href"]))
        assert len(names(page)) == 20
        assert page.all(".pager a") == ["First"]
        assert "No type is like this" in admin.get("/types?after=z").text

    def test_in_the_order_of_a_figure(self, api: Api, admin: Visitor) -> None:
        insert(api, 60)
        for name, count in (("t00031", 2), ("t00059", 5)):
            for _ in range(count):
                claimed = api.claimed(name)
                body = {"worker_id": "w1", "error": "x", "retry": False}
                api.post(f"/tasks/{claimed['id']}/fail", body)
        page = admin.get("/types")
        link = next(each for each in page.soup.select("th a") if each.get_text() == "Failed")
        page = admin.request("GET", str(link["href"]))
        assert names(page)[:3] == ["t00059", "t00031", "t00000"]
        sorted_columns = page.soup.select("th[aria-sort]")
        assert [each.get_text() for each in sorted_columns] == ["Failed"]
        assert page.select("#sort option[selected]")["value"] == "failed"
        page = admin.request("GET", str(page.select('a[rel="next"]')["href"]))
        assert (len(names(page)), names(page)[-1]) == (10, "t00058")
        assert page.all(".pager a") == ["First"]
        first = admin.request("GET", str(page.select(".pager a")["href"]))
        assert names(first)[0] == "t00059"
        assert names(admin.get("/types?sort=failed&q=3"))[0] == "t00031"

    def test_ten_thousand(self, api: Api, admin: Visitor) -> None:
        for start in range(0, 10_000, 2_000):
            insert(api, 2_000, start)
        page = admin.get("/types?q=T0999")
        assert len(names(page)) == 10
        assert len(page.body) < 60_000

    def test_by_state(self, api: Api, admin: Visitor) -> None:
        for name in ("active", "paused", "inactive", "archived"):
            api.register(name)
        api.claimed("archived")
        api.post("/tasks/1/complete", {"worker_id": "w1"})
        task = api.sql("SELECT id FROM tasks")[0]["id"]
        api.post(f"/tasks/{task}/complete", {"worker_id": "w1"})
        api.post("/task-types/paused/pause")
        api.post("/task-types/inactive/deactivate")
        assert api.call("DELETE", "/task-types/archived").data["archived"]
        for state in ("active", "paused", "inactive", "archived"):
            assert names(admin.get(f"/types?state={state}")) == [state]
        assert names(admin.get("/types")) == ["active", "inactive", "paused"]

    @pytest.mark.parametrize(
        "query",
        [
            "after=%00",
            "after=",
            "state=odd",
            "q=%00",
            "q=%25",
            "name=",
            "sort=x",
            "sort=failed&start=-1",
            "sort=oldest&start=99999999999999999999",
            "sort=share&start=x",
            "start=3",
        ],
    )
    def test_odd_addresses(self, api: Api, admin: Visitor, query: str) -> None:
        assert admin.get(f"/types?{query}").status == 200

    def test_without_types_the_page_says_what_to_do(self, api: Api, admin: Visitor) -> None:
        assert "There is no type yet" in admin.get("/types").text


class TestOneType:
    def test_what_is_shown(self, api: Api, admin: Visitor) -> None:
        schema = {"properties": {"to": {"type": "string"}}}
        api.register(
            "mail", schema, description="Sends.", max_attempts=7, retention={"failed": None}
        )
        claimed = api.create("mail") and api.claim("w1", task_types=["mail"])
        body = {"worker_id": "w1", "error": "no route", "retry": False}
        api.post(f"/tasks/{claimed['id']}/fail", body)
        page = admin.get("/types/mail")
        assert "Sends." in page.text
        assert json.loads(page.select("pre").text) == schema
        assert page.all("#tiles .failed b") == ["1"]
        assert page.all("#failures td a") == ["no route"]
        facts = dict(zip(page.all("dl.facts dt"), page.all("dl.facts dd")))
        assert facts["Max attempts"] == "7"
        assert facts["Timeout"] == "300, as everywhere"
        assert facts["Failed tasks"] == "kept for ever"

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_names_may_be_anything(self, api: Api, admin: Visitor, name: str) -> None:
        api.register(name)
        page = admin.get("/types")
        address = str(page.select("#types tbody a")["href"])
        path = address.partition("?")[0]
        steps = path.split("/")
        assert not {"", ".", ".."} & set(steps[1:]), path  # nothing that browsers or servers fold
        shown = admin.request("GET", address)
        assert shown.status == 200
        assert admin.follow(act(admin, name, "pause")).status == 200
        assert api.sql("SELECT name FROM task_types WHERE is_paused = 1") == [{"name": name}]

    def test_other_types_are_not_read(self, api: Api, admin: Visitor) -> None:
        """There may be ten thousand."""
        insert(api, 20)
        assert [row["name"] for row in Moment(api.site, None, "t00007").types] == ["t00007"]
        assert admin.get("/types/t00007").status == 200

    def test_a_type_that_is_not_there(self, api: Api, admin: Visitor) -> None:
        assert admin.get("/types/gone").status == 404
        assert act(admin, "gone", "pause").status == 404


class TestWhatCanBeDone:
    @pytest.fixture(autouse=True)
    def mail(self, api: Api) -> None:
        api.register("mail")

    def state(self, api: Api) -> tuple[bool, bool]:
        data = api.get("/task-types/mail").data
        return data["is_active"], data["is_paused"]

    def test_pause_and_resume(self, api: Api, admin: Visitor) -> None:
        page = admin.follow(act(admin, "mail", "pause"))
        assert "It takes new tasks, and none is handed out" in page.text
        assert self.state(api) == (True, True)
        page = admin.follow(act(admin, "mail", "resume"))
        assert self.state(api) == (True, False)
        assert page.all("form button")[:2] == ["Pause", "Deactivate"]

    def test_deactivate_and_activate(self, api: Api, admin: Visitor) -> None:
        admin.follow(act(admin, "mail", "deactivate"))
        assert self.state(api) == (False, False)
        admin.follow(act(admin, "mail", "activate"))
        assert self.state(api) == (True, False)
        audited = api.sql("SELECT actor, action FROM audit_log ORDER BY id DESC LIMIT 2")
        assert [(row["actor"], row["action"]) for row in audited] == [
            ("anybody (dashboard)", "type.activate"),
            ("anybody (dashboard)", "type.deactivate"),
        ]

    def test_delete_asks_first(self, api: Api, admin: Visitor) -> None:
        question = act(admin, "mail", "delete")
        assert question.title == "Delete the type mail?"
        fields = question.form("/dashboard/types")
        assert admin.post("/types", fields).location == "/dashboard/types"
        assert api.get("/task-types/mail").status == 404

    def test_with_ended_tasks_it_is_archived(self, api: Api, admin: Visitor) -> None:
        task = api.create("mail")
        api.post(f"/tasks/{task['id']}/cancel")
        page = admin.follow(act(admin, "mail", "delete", confirmed="yes"))
        assert "It is archived" in page.text
        assert "It was deleted" in admin.get("/types/mail").text

    def test_with_unfinished_tasks_it_stays(self, api: Api, admin: Visitor) -> None:
        api.create("mail")
        page = act(admin, "mail", "delete", confirmed="yes")
        assert page.status == 409
        assert "1 unfinished task" in page.text

    @pytest.mark.parametrize("do", ["", "explode", "_delete"])
    def test_other_forms_do_nothing(self, api: Api, admin: Visitor, do: str) -> None:
        with api.unchanged():
            assert act(admin, "mail", do).status == 400

    def test_readers_change_nothing(self, api: Api, reader: Visitor) -> None:
        page = reader.get("/types/mail")
        assert page.status == 200
        assert page.soup.select('form[action="/dashboard/types"]') == []
        assert "register" not in reader.get("/types").body.decode()
        assert reader.post("/types", {"name": "mail", "do": "pause"}).status == 403
        assert reader.get("/types/register").status == 403
        assert self.state(api) == (True, False)


class TestSettings:
    def saved(self, api: Api) -> Any:
        return api.get("/task-types/mail").data

    def save(self, admin: Visitor, **changes: str) -> PageSeen:
        page = admin.get("/types/mail")
        form = page.select("details.settings form")
        fields = {str(each["name"]): str(each.get("value", "")) for each in form.select("input")}
        fields["description"] = form.select_one("textarea").text.strip("\n")  # type: ignore[union-attr]
        chosen = form.select_one("option[selected]")
        fields["dedupe"] = str(chosen["value"]) if chosen else ""
        return admin.post("/types", {**fields, **changes})

    def test_limits_and_defaults_are_changed(self, api: Api, admin: Visitor) -> None:
        api.register("mail")
        changes = {
            "description": "Sends.\r\nTwice.",
            "max_attempts": "5",
            "timeout": "2.5",
            "retry_delay": "0",
            "retry_max_delay": "60",
            "priority": "-2",
            "max_running": "3",
            "dedupe": "active",
            "retention.completed": "7",
            "retention.failed": "for ever",
        }
        page = admin.follow(self.save(admin, **changes))
        assert "The settings are saved." in page.all(".notice")
        saved = self.saved(api)
        assert saved["description"] == "Sends.\nTwice."
        numbers = ("max_attempts", "timeout", "retry_delay", "retry_max_delay", "priority")
        assert [saved[name] for name in numbers] == [5, 2.5, 0, 60, -2]
        assert (saved["max_running"], saved["dedupe"]) == (3, "active")
        assert saved["retention"] == {"completed": 7, "failed": None}

    def test_a_rate_and_a_limit_by_key_hold_tasks_back(self, api: Api, admin: Visitor) -> None:
        api.register("mail")
        for number in range(3):
            api.create("mail", concurrency_key="shop" if number else None)
        changes = {"rate.tasks": "2", "rate.seconds": "60", "max_per_key": "1"}
        assert "The settings are saved." in admin.follow(self.save(admin, **changes)).text
        assert self.saved(api)["rate"] == {"tasks": 2, "seconds": 60}
        assert self.saved(api)["max_per_key"] == 1
        assert self.saved(api)["is_paused"] is False
        claimed = api.post("/tasks/claim", {"worker_id": "w", "limit": 10}).data["tasks"]
        assert len(claimed) == 2
        assert "2 in 60 s" in admin.get("/types/mail").text
        none = {"rate.tasks": "", "rate.seconds": "", "max_per_key": ""}
        self.save(admin, **none)
        assert self.saved(api)["rate"] is None
        assert len(api.post("/tasks/claim", {"worker_id": "w", "limit": 10}).data["tasks"]) == 1

    def test_half_a_rate_is_refused(self, api: Api, admin: Visitor) -> None:
        api.register("mail")
        page = self.save(admin, **{"rate.tasks": "2"})
        assert page.status == 400
        assert "must have tasks and seconds" in page.text

    def test_saving_what_is_there_changes_nothing(self, api: Api, admin: Visitor) -> None:
        options = {
            "max_attempts": 4,
            "timeout": 0.25,
            "retry_delay": 1234567.5,
            "dedupe": 90,
            "rate": {"tasks": 2, "seconds": 1.5},
            "max_per_key": 3,
            "retention": {"result": 0.5, "failed": None},
            "description": "one\ntwo",
        }
        api.register("mail", **options)
        with api.unchanged():
            assert self.save(admin).status == 303

    def test_empty_fields_leave_it_to_the_server(self, api: Api, admin: Visitor) -> None:
        api.register("mail", max_attempts=4, retention={"failed": 1}, dedupe=False)
        empty = {"max_attempts": "", "retention.failed": "", "dedupe": ""}
        assert self.save(admin, **empty).status == 303
        saved = self.saved(api)
        assert [saved[name] for name in ("max_attempts", "retention", "dedupe")] == [None] * 3

    def test_whether_it_is_active_stays(self, api: Api, admin: Visitor) -> None:
        api.register("mail")
        api.post("/task-types/mail/deactivate")
        self.save(admin, max_attempts="2")
        assert (self.saved(api)["is_active"], self.saved(api)["max_attempts"]) == (False, 2)
        audited = api.sql("SELECT action, detail_json FROM audit_log ORDER BY id DESC LIMIT 1")[0]
        assert audited["action"] == "type.edit"
        assert json.loads(audited["detail_json"])["edited"] == ["max_attempts"]

    def test_what_is_wrong_is_told_at_its_field(self, api: Api, admin: Visitor) -> None:
        api.register("mail")
        wrong = {"max_attempts": "0", "timeout": "long", "retention.failed": "-1"}
        with api.unchanged():
            page = self.save(admin, **wrong)
        assert page.status == 400
        assert len(page.all("#s-max_attempts-note .error")) == 1
        assert page.select("#s-timeout")["value"] == "long"
        assert "'failed', which must be a number" in page.select("fieldset .error").text
        assert page.select("details.settings").has_attr("open")


class TestRegistering:
    def test_a_type_is_registered(self, api: Api, admin: Visitor) -> None:
        schema = '{"properties": {"to": {"type": "string"}}}'
        fields = {"name": "mail", "version": "2", "param_schema": schema, "description": "Sends."}
        page = admin.follow(admin.post("/types/register", fields))
        assert page.title == "mail"
        saved = api.get("/task-types/mail").data
        assert (saved["version"], saved["description"]) == ("2", "Sends.")
        assert saved["param_schema"] == json.loads(schema)

    def test_another_version_starts_from_the_one_there_is(self, api: Api, admin: Visitor) -> None:
        api.register("mail", {"properties": {"to": True}}, max_attempts=9, description="Sends.")
        page = admin.get("/types/register?type=mail")
        fields = page.form("/dashboard/types/register")
        fields["param_schema"] = page.select("#param_schema").text
        fields["description"] = page.select("#description").text
        assert (fields["name"], fields["version"]) == ("mail", "1")
        assert admin.post("/types/register", {**fields, "version": "2"}).status == 303
        saved = api.get("/task-types/mail").data
        assert (saved["version"], saved["max_attempts"]) == ("2", 9)
        assert saved["description"] == "Sends."

    @pytest.mark.parametrize(
        ("fields", "place"),
        [
            ({"name": ""}, "name"),
            ({"name": "x" * 300}, "name"),
            ({"version": ""}, "version"),
            ({"param_schema": "{nonsense"}, "param_schema"),
            ({"param_schema": '{"type": "nothing"}'}, "param_schema"),
            ({"param_schema": '{"$ref": "http://example.org/x"}'}, "param_schema"),
            ({"param_schema": "7"}, "param_schema"),
        ],
    )
    def test_what_is_wrong_is_told_at_its_field(
        self, api: Api, admin: Visitor, fields: dict[str, str], place: str
    ) -> None:
        whole = {"name": "mail", "version": "1", "param_schema": "{}", **fields}
        with api.unchanged():
            page = admin.post("/types/register", whole)
        assert page.status == 400
        assert page.all(f"#{place}-note .error"), page
        assert page.select("#param_schema").text.strip() == whole["param_schema"]

    def test_text_of_strangers_is_shown_harmlessly(self, api: Api, admin: Visitor) -> None:
        name = f"{SCRIPT} a\u202eb"
        api.register(name, {"title": HOSTILE}, description=HOSTILE, version=SCRIPT)
        claimed = api.create(name) and api.claim("w1", task_types=[name])
        body = {"worker_id": "w1", "error": HOSTILE, "retry": False}
        api.post(f"/tasks/{claimed['id']}/fail", body)
        for path in ("/types", f"/types/{quote(name, safe='')}"):
            check_harmless(admin.get(path))
        check_harmless(admin.get(f"/types/register?type={quote(name)}"))
        check_harmless(admin.post("/types/register", {"name": HOSTILE, "param_schema": HOSTILE}))
