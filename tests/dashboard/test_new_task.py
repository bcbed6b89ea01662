"""Creating a task: choosing its type, the form made from the schema, options, copies."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.api.caller import Api
from tests.dashboard.hostile import HOSTILE, SCRIPT, check_harmless
from tests.dashboard.visitor import PageSeen, Visitor

MAIL = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "description": "Who gets it.", "minLength": 3},
        "template": {"enum": ["invoice", "reminder"]},
        "order": {"type": "integer", "minimum": 1, "default": 7},
    },
    "required": ["to", "template"],
}
PATH = "/tasks/new"


@pytest.fixture
def mail(api: Api) -> str:
    api.register("shop.mail", MAIL, description="Sends one mail.")
    return "shop.mail"


def fields(page: PageSeen) -> dict[str, str]:
    """All fields as they are filled in, as a browser would send them."""
    form = page.select(f'form[action="/dashboard{PATH}"][method="post"]')
    found = page.form(f"/dashboard{PATH}")
    for select in form.select("select"):
        chosen = select.select_one("option[selected]") or select.select_one("option")
        found[str(select["name"])] = str(chosen.get("value", chosen.text)) if chosen else ""
    for area in form.select("textarea"):
        found[str(area["name"])] = area.text.removeprefix("\n")
    return found


def created(api: Api, page: PageSeen) -> int:
    assert page.status == 303, page
    return int(page.location.rpartition("/")[2])


class TestChoosing:
    def test_types_are_offered(self, api: Api, mail: str, admin: Visitor) -> None:
        page = admin.get(PATH)
        assert page.all("tbody a") == [mail]
        assert "Sends one mail." in page.text

    def test_types_are_found_by_a_part_of_the_name(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        api.register("SHOP.Import")
        api.register("100%_x")
        assert admin.get(f"{PATH}?type=shop&find=1").all("tbody a") == ["SHOP.Import", mail]
        assert admin.get(f"{PATH}?type=0%25_&find=1").all("tbody a") == ["100%_x"]
        assert "Register a type" in admin.get(f"{PATH}?type=nothing").text

    def test_only_so_many_are_offered(self, api: Api, admin: Visitor) -> None:
        rows = [f"('t{n:03}', '1', '{{}}', 1, 0, '2026-01-01', '2026-01-01')" for n in range(150)]
        api.sql(
            "INSERT INTO task_types (name, version, param_schema_json, is_active, is_paused, "
            f"created_at, updated_at) VALUES {', '.join(rows)}"
        )
        page = admin.get(PATH)
        assert len(page.all("tbody a")) == 100
        assert "the first 100 of 150" in page.text

    def test_without_types_the_page_says_what_to_do(self, api: Api, admin: Visitor) -> None:
        assert "There is no type yet" in admin.get(PATH).text


class TestTheForm:
    def test_it_is_made_from_the_schema(self, api: Api, mail: str, admin: Visitor) -> None:
        page = admin.get(f"{PATH}?type={mail}")
        assert page.all("form[method=post] > .field > label") == [
            "to required",
            "template required",
            "order",
        ]
        assert "Who gets it." in page.text
        assert fields(page)["param.order"] == "7"

    def test_a_task_is_created(self, api: Api, mail: str, admin: Visitor) -> None:
        entries = fields(admin.get(f"{PATH}?type={mail}"))
        entries.update({"param.to": "ann@example.org", "param.template": '"invoice"'})
        page = admin.post(PATH, entries)
        task = api.task(created(api, page))
        assert task["params"] == {"to": "ann@example.org", "template": "invoice", "order": 7}
        assert "The task is created." in admin.follow(page).all(".notice")

    def test_options(self, api: Api, mail: str, admin: Visitor) -> None:
        entries = fields(admin.get(f"{PATH}?type={mail}"))
        entries.update(
            {
                "param.to": "ann",
                "param.template": '"reminder"',
                "priority": "-3",
                "delay": "1.5",
                "unit": "hours",
                "max_attempts": "9",
                "timeout": "2.5",
                "tags": "vip, invoice\r\n spring ",
                "dedupe_key": "order-7",
            }
        )
        task = api.task(created(api, admin.post(PATH, entries)))
        assert (task["priority"], task["max_attempts"], task["timeout"]) == (-3, 9, 2.5)
        assert (task["tags"], task["dedupe_key"]) == (["vip", "invoice", "spring"], "order-7")
        assert task["run_at"] > task["created_at"]

    def test_a_time_is_utc(self, api: Api, mail: str, admin: Visitor) -> None:
        entries = {"type": mail, "param.to": "ann", "param.template": '"invoice"'}
        entries["run_at"] = "2126-01-31T12:00"
        task = api.task(created(api, admin.post(PATH, entries)))
        assert task["run_at"] == "2126-01-31T12:00:00.000Z"

    def test_everything_wrong_is_told_at_once_and_nothing_is_lost(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        entries = {
            "type": mail,
            "param.to": "a",
            "param.template": '"poem"',
            "param.order": "seven",
            "others": "{not json",
            "priority": "high",
            "delay": "soon",
            "unit": "days",
            "tags": "x" * 60,
            "dedupe": "never",
            "dedupe_key": "k",
        }
        with api.unchanged():
            page = admin.post(PATH, entries)
        assert page.status == 400
        told = {str(each.parent["id"]) for each in page.soup.select("form .error") if each.parent}
        assert told >= {"f0-note", "f1-note", "f2-note", "others-note", "tags-note", "delay-note"}
        assert "priority-note" in told
        shown = fields(page)
        for name in ("param.to", "param.order", "others", "priority", "delay", "tags", "dedupe"):
            assert shown[name] == entries[name], name
        assert len(page.all(".verdict li")) >= 7
        for link in page.soup.select(".verdict li a"):
            assert page.soup.select(f'[id="{str(link["href"])[1:]}"]'), link

    def test_params_as_json(self, api: Api, mail: str, admin: Visitor) -> None:
        page = admin.get(f"{PATH}?type={mail}&as=json")
        entries = {**fields(page), "params": '{"to": "ann", "template": "invoice", "x": [1]}'}
        assert api.task(created(api, admin.post(PATH, entries)))["params"]["x"] == [1]
        page = admin.post(PATH, {**entries, "params": "[1]"})
        assert (page.status, fields(page)["params"]) == (400, "[1]")

    @pytest.mark.parametrize("schema", [True, {}, {"oneOf": [{"required": ["a"]}, True]}])
    def test_any_params_are_written_as_json(self, api: Api, admin: Visitor, schema: object) -> None:
        api.register("any", schema)
        page = admin.get(f"{PATH}?type=any")
        assert fields(page)["params"] == "{}"

    def test_too_long_params(
        self, api: Api, mail: str, admin: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admin.site.settings, "max_params_bytes", 100)
        entries = {"type": mail, "param.to": "x" * 200, "param.template": '"invoice"'}
        page = admin.post(PATH, entries)
        assert page.status == 400
        assert "MAX_PARAMS_BYTES" in page.text
        assert fields(page)["param.to"] == "x" * 200

    def test_an_inactive_type_takes_none(self, api: Api, mail: str, admin: Visitor) -> None:
        api.post(f"/task-types/{mail}/deactivate")
        assert "takes no new tasks" in admin.get(f"{PATH}?type={mail}").text
        entries = {"type": mail, "param.to": "ann", "param.template": '"invoice"'}
        page = admin.post(PATH, entries)
        assert page.status == 400
        assert "is not active" in page.select('[role="alert"]').text

    def test_a_type_that_is_gone(self, api: Api, admin: Visitor) -> None:
        page = admin.post(PATH, {"type": "gone", "params": "{}"})
        assert page.title == "New task"

    def test_an_equal_task_is_shown_instead(self, api: Api, mail: str, admin: Visitor) -> None:
        task = api.create(mail, {"to": "ann", "template": "invoice"})
        entries = {"type": mail, "param.to": "ann", "param.template": '"invoice"'}
        page = admin.post(PATH, entries)
        assert page.status == 409
        assert f"Task {task['id']}" in page.select('[role="alert"]').text
        again = admin.post(PATH, {**fields(page), "dedupe": "never"})
        assert created(api, again) != task["id"]


class TestCopies:
    def test_a_copy_is_another_task_with_the_same_params(
        self, api: Api, mail: str, admin: Visitor
    ) -> None:
        params = {"to": "ann", "template": "invoice", "order": 3, "note": {"deep": [None]}}
        task = api.create(mail, params, tags=["vip"], priority=4, timeout=30)
        link = admin.get(f"/tasks/{task['id']}").select('.head a[href*="copy_of"]')["href"]
        page = admin.request("GET", str(link))
        copy = api.task(created(api, admin.post(PATH, fields(page))))
        assert copy["id"] != task["id"]
        assert copy["params"] == params
        assert (copy["tags"], copy["priority"], copy["timeout"]) == (["vip"], 4, 30)

    @pytest.mark.parametrize("text", ["999999", "x", "1" * 30, "-1"])
    def test_of_a_task_that_is_gone(self, api: Api, mail: str, admin: Visitor, text: str) -> None:
        assert admin.get(f"{PATH}?type={mail}&copy_of={text}").status == 200


class TestHostileTypes:
    def test_names_and_schemas_of_strangers(self, api: Api, admin: Visitor) -> None:
        name = f"{SCRIPT}/../%2f a\u202eb"
        schema = {
            "properties": {
                HOSTILE: {"type": "string", "title": HOSTILE, "description": HOSTILE},
                "choice": {"enum": [HOSTILE, {SCRIPT: HOSTILE}]},
                "list": {"type": "array", "items": {"type": "string"}, "default": [SCRIPT]},
                "number": {"type": "integer", "examples": [HOSTILE]},
            },
            "required": ["choice"],
        }
        api.register(name, schema, description=HOSTILE)
        page = admin.get(f"{PATH}?type={quote(name)}")
        assert page.status == 200, page
        check_harmless(page)
        entries = fields(page)
        entries.update({"param.choice": json.dumps(HOSTILE, ensure_ascii=False)})
        task = api.task(created(api, admin.post(PATH, entries)))
        assert task["params"] == {"choice": HOSTILE, "list": [SCRIPT]}
        check_harmless(admin.post(PATH, {"type": name, "param.number": HOSTILE, "tags": HOSTILE}))
        check_harmless(admin.get(PATH))


def test_readers_cannot_create(api: Api, mail: str, reader: Visitor) -> None:
    assert reader.get(f"{PATH}?type={mail}").status == 403
    assert reader.post(PATH, {"type": mail, "params": "{}"}).status == 403
