"""The page with the settings and what the doctor says."""

from __future__ import annotations

import pytest

from app.config import SETTINGS, from_values
from app.dashboard.pages.settings import SECRET
from app.site import Site
from tests.dashboard.visitor import Visitor


def test_every_setting_is_shown_with_its_meaning(admin: Visitor) -> None:
    page = admin.get("/settings")
    assert page.all("tbody td:first-child > code") == list(SETTINGS)
    assert "The lease: how long a claimed task stays with its worker" in page.text


@pytest.mark.parametrize("name", SECRET)
def test_no_secret_is_shown(admin: Visitor, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(admin.site.settings, name.lower(), "do-not-show-this-to-anybody")
    assert "do-not-show-this" not in admin.get("/settings").text


def test_the_doctor_says_what_to_do(admin: Visitor) -> None:
    assert "REQUIRE_AUTH is off" in admin.get("/settings").text


def test_settings_that_hold_credentials_are_listed_as_secret() -> None:
    telling = ("KEY", "PASS", "TOKEN", "URL", "SECRET")
    assert {name for name in SETTINGS if name.endswith(telling)} == set(SECRET)


def test_the_page_is_there_while_the_database_is_not() -> None:
    nowhere = {"DATABASE_URL": "mysql+pymysql://tm:x@127.0.0.1:1/none", "CALL_DEADLINE": 1}
    page = Visitor(Site(from_values({**nowhere, "REQUIRE_AUTH": False}))).get("/settings")
    assert page.status == 200
    assert "what needs the database was not checked" in page.text
