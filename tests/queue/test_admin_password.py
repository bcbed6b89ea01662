"""The admin password: stored as a hash that cheap hosts can afford."""

from __future__ import annotations

import pytest

from app import password_hash
from app.errors import Invalid
from app.queue import admin_password, audit, sessions
from app.queue.audit import Actor
from app.queue.sessions import Person
from app.site import Site

PASSWORD = "correct horse battery"
CHEAP = ("pbkdf2:sha256:1000",)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hash, "METHODS", CHEAP)


def stored(site: Site) -> str:
    select = f"SELECT value FROM settings WHERE name = '{admin_password.ROW}'"
    rows = site.db.run(lambda connection: connection.query(select, {}))
    return str(rows[0]["value"])


def test_without_one_nothing_is_right(site: Site) -> None:
    assert not admin_password.is_set(site)
    assert not admin_password.check(site, "")
    assert not admin_password.check(site, PASSWORD)


def test_only_the_password_is_right(site: Site) -> None:
    admin_password.change(site, PASSWORD)
    assert admin_password.is_set(site)
    assert admin_password.check(site, PASSWORD)
    for wrong in ("", PASSWORD[:-1], PASSWORD.upper(), f"{PASSWORD} ", PASSWORD + "x" * 2000):
        assert not admin_password.check(site, wrong)
    assert stored(site).startswith("scrypt:32768:8:3$")
    assert PASSWORD not in stored(site)


def test_another_one_takes_its_place(site: Site, cheap: None) -> None:
    admin_password.change(site, PASSWORD)
    admin_password.change(site, "another password")
    assert not admin_password.check(site, PASSWORD)
    assert admin_password.check(site, "another password")


def test_setting_and_removing_it_signs_everybody_out(site: Site, cheap: None) -> None:
    for act in (
        lambda: admin_password.change(site, PASSWORD, Actor("cli ada")),
        lambda: admin_password.remove(site, Actor("cli ada")),
    ):
        token = sessions.open_session(site, Person("admin", "admin"))
        act()
        assert sessions.find(site, token) is None
    assert not admin_password.is_set(site)
    noted = [(row["actor"], row["action"]) for row in audit.read(site, 10)]
    assert noted[0] == ("cli ada", "password.remove")
    assert ("cli ada", "password.set") in noted


def test_removing_none_is_not_noted(site: Site) -> None:
    admin_password.remove(site, Actor("cli ada"))
    assert audit.read(site, 10) == []


@pytest.mark.parametrize(
    ("password", "told"),
    [("", "at least 10"), ("ninechars", "at least 10"), ("x" * 1001, "at most 1000")],
)
def test_its_length(site: Site, password: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        admin_password.change(site, password)
    assert not admin_password.is_set(site)


def test_a_hash_of_other_parameters_is_replaced_when_it_is_next_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(password_hash, "METHODS", CHEAP)
        admin_password.change(site, PASSWORD)
    token = sessions.open_session(site, Person("admin", "admin"))
    assert not admin_password.check(site, "a wrong password")
    assert stored(site).startswith(CHEAP[0])
    assert admin_password.check(site, PASSWORD)
    assert stored(site).startswith(password_hash.METHODS[0])
    assert admin_password.check(site, PASSWORD)
    assert sessions.find(site, token) is not None


def test_where_openssl_lacks_scrypt(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.delattr(hashlib, "scrypt")
    admin_password.change(site, PASSWORD)
    assert stored(site).startswith("pbkdf2:sha256:600000$")
    assert admin_password.check(site, PASSWORD)
    assert not password_hash.is_outdated(stored(site))


def test_a_letter_is_the_same_however_a_keyboard_sends_it(site: Site, cheap: None) -> None:
    admin_password.change(site, "caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait")
    assert admin_password.check(site, "cafe\N{COMBINING ACUTE ACCENT} au lait")
