"""From the installer into the dashboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app import password_hash
from app.dashboard.signing_in import first_task
from app.install.finish import starter_types
from app.queue import admin_password, audit, sessions, sign_in_link
from app.site import Site
from tests.api.caller import Api
from tests.dashboard.visitor import PageSeen, Visitor

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hash, "METHODS", ("pbkdf2:sha256:1000",))


@pytest.fixture
def site(api: Api) -> Iterator[Site]:
    yield api.site
    admin_password.remove(api.site)


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


def press(visitor: Visitor, token: str, **fields: str) -> PageSeen:
    """The button of the installer's last page."""
    sent = {"token": token, "csrf": "", **fields}
    return visitor.post("/sign-in/link", sent, sec_fetch_site="same-origin")


def test_the_button_signs_in_once(visitor: Visitor, site: Site) -> None:
    token = sign_in_link.make(site)
    page = press(visitor, token)
    assert (page.status, page.location) == (303, "/dashboard")
    assert "Signed in as owner" in visitor.get("/sessions").text
    assert press(visitor, token).location == "/dashboard"  # the page is still open: no error
    other = press(Visitor(site), token)
    assert (other.status, other.title) == (403, "This link has ended")
    (session,) = sessions.list_all(site)
    assert (session.name, session.role) == ("owner", "admin")
    assert audit.read(site, 1)[0]["actor"] == "owner (dashboard)"


def test_opening_the_link_uses_nothing_up(visitor: Visitor, site: Site) -> None:
    token = sign_in_link.make(site)
    for _ in range(2):
        page = visitor.get(f"/sign-in/link?token={token}")
        assert page.title == "Open the dashboard"
    fields = page.form("/dashboard/sign-in/link")
    assert visitor.post("/sign-in/link", fields).location == "/dashboard"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example", "host": "example.com"},
    ],
)
def test_another_sites_page_signs_nobody_in(
    visitor: Visitor, site: Site, headers: dict[str, str]
) -> None:
    token = sign_in_link.make(site)
    page = visitor.post("/sign-in/link", {"token": token}, **headers)
    assert (page.status, page.title) == (200, "Open the dashboard")
    assert sessions.list_all(site) == []


def test_a_password_is_set_on_the_way(visitor: Visitor, site: Site) -> None:
    token = sign_in_link.make(site)
    page = press(visitor, token, password="short")
    assert page.status == 422
    assert "at least 10 characters" in page.select("#password-note").text
    assert not admin_password.is_set(site)
    assert press(visitor, token, password=PASSWORD).status == 303
    assert visitor.get("/sessions").status == 200
    assert Visitor(site).sign_in(PASSWORD).status == 303


def test_without_one_the_password_stays(visitor: Visitor, site: Site) -> None:
    admin_password.change(site, PASSWORD)
    press(visitor, sign_in_link.make(site), password="")
    assert admin_password.check(site, PASSWORD)


@pytest.mark.parametrize("token", ["", "x" * 43])
def test_no_link(visitor: Visitor, token: str) -> None:
    assert visitor.get(f"/sign-in/link?token={token}").title == "This link has ended"
    assert press(visitor, token).status == 403


class TestTheFirstTask:
    def test_without_handlers_it_waits(self, visitor: Visitor, api: Api) -> None:
        (starter,) = starter_types()
        api.post("/task-types/register", starter)
        page = press(visitor, sign_in_link.make(api.site), first_task="yes")
        (task,) = api.sql("SELECT status, params_json FROM tasks")
        assert task["status"] == "pending"
        assert first_task.MESSAGE in task["params_json"]
        assert first_task.WAITS in visitor.follow(page).text
        again = press(visitor, sign_in_link.make(api.site), first_task="yes")
        assert first_task.SIGNED_IN in visitor.follow(again).text

    def test_without_its_type_there_is_none(self, visitor: Visitor, api: Api) -> None:
        page = press(visitor, sign_in_link.make(api.site), first_task="yes")
        assert page.location == "/dashboard"
        assert visitor.get("/sessions").status == 200
