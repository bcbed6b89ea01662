"""``flask set-password``."""

from __future__ import annotations

import pytest

from app import password_hash
from app.queue import admin_password
from app.site import Site
from tests.cli.runner import Commands

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hash, "METHODS", ("pbkdf2:sha256:1000",))


def test_from_standard_input(site: Site, commands: Commands) -> None:
    told = commands.output("set-password", "--password-stdin", stdin=f"{PASSWORD}\r\nmore\n")
    assert told == "Password set, everybody is signed out\n"
    assert admin_password.check(site, PASSWORD)
    (entry,) = commands.json("audit")["entries"]
    assert entry["action"] == "password.set"
    assert entry["actor"].startswith("cli ")
    assert PASSWORD not in str(entry)


def test_it_is_removed(site: Site, commands: Commands) -> None:
    commands.output("set-password", "--password-stdin", stdin=PASSWORD)
    assert "only keys sign in" in commands.output("set-password", "--help").replace("API ", "")
    assert commands.output("set-password", "--remove").startswith("Password removed")
    assert not admin_password.is_set(site)


def test_what_is_refused(site: Site, commands: Commands) -> None:
    result = commands.run("set-password", "--password-stdin", stdin="short")
    assert result.exit_code == 1
    assert "The password must have at least 10 characters" in result.stderr
    assert "add --password-stdin" in commands.error("set-password", code=2)
    both = ("set-password", "--remove", "--password-stdin")
    assert "--remove takes no password" in commands.error(*both, code=2)
    assert not admin_password.is_set(site)
