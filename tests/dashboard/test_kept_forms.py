"""A form that is sent when its session has ended: what was typed is there after signing in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app import password_hash
from app.dashboard.routes import PAGES
from app.dashboard.signing_in import kept_form
from app.queue import admin_password, api_keys, audit, task_types
from app.queue.api_keys import NewKey
from app.server.pages import MAX_FORM_BYTES
from app.site import Site
from tests.api.caller import Api
from tests.dashboard.visitor import Fields, PageSeen, Visitor

PASSWORD = "correct horse battery"
HOSTILE = '"><script>alert(1)</script>\r\n\u202eü'


@pytest.fixture
def site(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(password_hash, "METHODS", ("pbkdf2:sha256:1000",))
    admin_password.change(api.site, PASSWORD)
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    api.register("mail", schema)
    yield api.site
    api.sql("DELETE FROM settings WHERE name LIKE 'wrong-keys.%' OR name LIKE 'sign-ins.%'")
    api.sql("DELETE FROM settings WHERE name = :name", name=admin_password.ROW)


@pytest.fixture
def visitor(site: Site, api: Api) -> Visitor:
    """Somebody whose session has just ended."""
    visitor = Visitor(site)
    visitor.sign_in(PASSWORD)
    api.sql("DELETE FROM sessions")
    api.sql("DELETE FROM audit_log")
    return visitor


def sign_in(visitor: Visitor, page: PageSeen, secret: str = PASSWORD) -> PageSeen:
    """By the form of this page."""
    fields = page.form("/dashboard/sign-in")
    return visitor.post("/sign-in", {**fields, "secret": secret})


def value_of(page: PageSeen, name: str) -> str:
    found = page.select(f'main [name="{name}"]')
    if found.name == "textarea":
        return found.get_text()[1:] if found.get_text().startswith("\n") else found.get_text()
    if found.name == "select":
        return str(found.select("option[selected]")[0]["value"])
    return str(found.get("value", ""))


FORMS: list[tuple[str, Fields, dict[str, str]]] = [
    (
        "/types/register",
        {"name": "new one", "version": "7", "description": HOSTILE, "param_schema": '{"type": 1'},
        {"name": "new one", "version": "7", "param_schema": '{"type": 1'},
    ),
    ("/types", {"do": "save", "name": "mail", "priority": "17"}, {"priority": "17"}),
    (
        "/tasks/new",
        {"type": "mail", "as": "json", "params": '{"to": "ü"}', "priority": "5", "tags": "a, b"},
        {"params": '{"to": "ü"}', "priority": "5", "tags": "a, b"},
    ),
    (
        "/schedules",
        {"name": "nightly", "type": "mail", "cron": "1 2 * * *", "missed": "all", "known": ""},
        {"name": "nightly", "cron": "1 2 * * *", "missed": "all"},
    ),
    (
        "/keys",
        [("name", "shop"), ("scopes", "read"), ("scopes", "work"), ("type_patterns", "shop.%")],
        {"name": "shop", "type_patterns": "shop.%"},
    ),
]


@pytest.mark.parametrize(("path", "fields", "shown"), FORMS)
def test_it_is_filled_in_again(
    visitor: Visitor, path: str, fields: Fields, shown: dict[str, str]
) -> None:
    asked = visitor.post(path, fields)
    assert asked.status == 403
    assert "Nothing was changed yet" in asked.text
    assert "Set-Cookie" not in asked.headers or "taskmanager=" not in asked.headers["Set-Cookie"]
    again = sign_in(visitor, asked)
    assert again.status == 200
    assert "Nothing was changed yet" in again.text
    assert {name: value_of(again, name) for name in shown} == shown
    assert [each["action"] for each in audit.read(visitor.site, 9)] == ["session.sign_in"]
    tokens = again.soup.select(f'main form[action="/dashboard{path}"] input[name=csrf]')
    assert {each["value"] for each in tokens} == {visitor.csrf()}


def test_the_edited_task(visitor: Visitor, api: Api) -> None:
    task = api.create("mail", {"to": "a"})
    asked = visitor.post(f"/tasks/{task['id']}/edit", {"p.to": "b", "priority": "4"})
    again = sign_in(visitor, asked)
    assert value_of(again, "priority") == "4"
    assert api.task(task["id"])["params"] == {"to": "a"}


def test_it_can_be_sent_then(visitor: Visitor) -> None:
    fields = {"name": "new one", "version": "7", "param_schema": "{}"}
    again = sign_in(visitor, visitor.post("/types/register", fields))
    assert task_types.names(visitor.site, 9) == ["mail"]
    done = visitor.post(
        "/types/register", {**fields, "csrf": again.form("/dashboard/types/register")["csrf"]}
    )
    assert done.status == 303
    assert task_types.names(visitor.site, 9) == ["mail", "new one"]


def test_a_wrong_password_in_between(visitor: Visitor) -> None:
    asked = visitor.post("/types/register", {"name": "typed", "description": HOSTILE})
    refused = sign_in(visitor, asked, "not it")
    assert refused.status == 403
    assert "<script>alert" not in refused.body.decode()
    again = sign_in(visitor, refused)
    assert value_of(again, "name") == "typed"
    assert "<script>alert" not in again.body.decode()


def test_no_action_is_done_by_signing_in(visitor: Visitor) -> None:
    asked = visitor.post("/types", {"do": "pause", "name": "mail"})
    led = sign_in(visitor, asked)
    assert led.location == "/dashboard/types/mail"
    assert not task_types.get(visitor.site, "mail")["is_paused"]


def test_whoever_may_only_read_gets_no_form(visitor: Visitor) -> None:
    key = api_keys.make(visitor.site, NewKey("ann", ["read"])).text
    asked = visitor.post("/types/register", {"name": "typed"})
    assert sign_in(visitor, asked, key).location == "/dashboard"


class TestFormsOfOthers:
    """They fill in nothing: their fields are forgotten, as before."""

    def is_kept(self, page: PageSeen) -> bool:
        return page.status != 303

    def test_with_a_wrong_token(self, visitor: Visitor) -> None:
        assert not self.is_kept(visitor.post("/keys", {"name": "x", "csrf": "0" * 64}))

    def test_from_another_site(self, visitor: Visitor) -> None:
        own = visitor.csrf()
        for headers in ({"sec_fetch_site": "cross-site"}, {"origin": "https://evil.example"}):
            assert not self.is_kept(visitor.post("/keys", {"name": "x", "csrf": own}, **headers))

    def test_without_a_cookie_the_browser_has_to_say_so(self, visitor: Visitor) -> None:
        visitor.cookies.clear()
        fields = {"name": "x", "csrf": "of a session that is forgotten"}
        for headers in ({}, {"sec_fetch_site": "cross-site"}, {"origin": "https://evil.example"}):
            assert not self.is_kept(visitor.post("/keys", fields, **headers))
        assert self.is_kept(visitor.post("/keys", fields, sec_fetch_site="same-origin"))


def test_passwords_are_never_kept(visitor: Visitor) -> None:
    page = visitor.post("/password", {"current": PASSWORD, "password": "a new one", "again": "x"})
    assert page.location == "/dashboard/sign-in"
    assert b"a new one" not in page.body


def test_what_is_too_long_is_not_kept(visitor: Visitor) -> None:
    for text in ("x" * (kept_form.MOST_CHARACTERS + 1), "x" * (MAX_FORM_BYTES + 1)):
        assert visitor.post("/types/register", {"param_schema": text}).status == 303
    many = [(f"p.{n}", "") for n in range(kept_form.MOST_FIELDS + 1)]
    assert visitor.post("/tasks/new", many).status == 303
    # What is kept passes the sign-in form, whatever its characters are.
    asked = visitor.post("/types/register", {"description": "%" * 39_000, "name": "typed"})
    assert value_of(sign_in(visitor, asked), "name") == "typed"


@pytest.mark.parametrize("path", ["/types/x/../register", "/sign-out", "/password", "//evil", "x"])
def test_only_forms_that_can_be_filled_in_are_shown(visitor: Visitor, path: str) -> None:
    fields = {"kept-path": path, "kept.name": "x", "secret": PASSWORD}
    assert (
        visitor.post(
            "/sign-in", {**visitor.get("/sign-in").form("/dashboard/sign-in"), **fields}
        ).location
        == "/dashboard"
    )


def test_each_form_that_people_type_into_is_kept() -> None:
    kept = {page.template for page in PAGES if page.refill}
    assert kept == {
        "/schedules",
        "/keys",
        "/tasks/new",
        "/tasks/{id}/edit",
        "/types/register",
        "/types",
    }
