"""``flask keys`` and ``flask audit``."""

from __future__ import annotations

import getpass

import pytest

from app.queue import key_lookup, task_types
from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
from tests.cli.runner import Commands


def test_a_key_is_made_and_shown_once(site: Site, commands: Commands) -> None:
    result = commands.run("keys", "make", "web site", "--scope", "produce")
    assert "it is not shown again" in result.stderr
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert facts["key"].startswith("tm_")
    access = key_lookup.find(site, [facts["key"]]).access
    assert access is not None
    assert (access.name, access.scopes) == ("web site", ["produce"])
    assert facts["key"] not in commands.output("keys", "list")


def test_everything_that_can_be_said(site: Site, commands: Commands) -> None:
    made = commands.json(
        *("keys", "make", "w", "--scope", "work", "--scope", "produce", "--prefix", "sk_live_"),
        *("--type-pattern", "mail.%", "--type-pattern", "sms", "--expires-at", "2099-01-31"),
    )
    assert made["key"].startswith("sk_live_")
    assert made["scopes"] == ["produce", "work"]
    assert made["type_patterns"] == ["mail.%", "sms"]
    assert made["expires_at"] == "2099-01-31T00:00:00.000Z"
    (listed,) = commands.json("keys", "list")["keys"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    lines = commands.output("keys", "list").splitlines()
    assert lines[1].split()[1:5] == ["w", made["hint"], "produce,work", "mail.%,sms"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["w"], 2, "--scope"),
        (["w", "--scope", "write"], 2, "--scope has an item (0) that must be one of read"),
        (["w", "--scope", "read", "--expires-at", "soon"], 2, "--expires-at must be a time"),
        (["w", "--scope", "read", "--expires-at", "2020-01-01"], 1, "must be in the future"),
        (["w", "--scope", "read", "--type-pattern", "a\\"], 1, "must not end in a backslash"),
        (["w", "--scope", "read", "--prefix", "pk_"], 2, "--prefix must be one of tm_, sk_live_"),
        ([" w", "--scope", "read"], 2, "NAME must not begin or end with white space"),
    ],
)
def test_what_is_refused(commands: Commands, arguments: list[str], code: int, told: str) -> None:
    assert told in commands.error("keys", "make", *arguments, code=code)


def test_a_name_that_is_in_use(commands: Commands) -> None:
    commands.output("keys", "make", "w", "--scope", "work")
    assert "There is a key named 'w'" in commands.error("keys", "make", "w", "--scope", "work")


def test_rotate_and_revoke(site: Site, commands: Commands) -> None:
    made = commands.json("keys", "make", "w", "--scope", "work")
    key_id = str(made["id"])
    rotated = commands.json("keys", "rotate", key_id, "--grace", "60")
    for key in (made["key"], rotated["key"]):
        assert key_lookup.find(site, [key]).access is not None
    assert commands.output("keys", "revoke", key_id) == f"Key w (#{key_id}) revoked\n"
    for key in (made["key"], rotated["key"]):
        assert key_lookup.find(site, [key]).access is None
    assert "was revoked" in commands.error("keys", "rotate", key_id)
    assert "API key 999 not found" in commands.error("keys", "revoke", "999")


def test_the_audit_log(site: Site, commands: Commands) -> None:
    task_types.register(site, "mail", "1", {}, {})
    commands.output("types", "pause", "mail")
    commands.output("types", "resume", "mail")
    found = commands.json("audit")["entries"]
    assert [each["action"] for each in found] == ["type.resume", "type.pause"]
    assert {each["actor"] for each in found} == {f"cli {getpass.getuser()}"}
    lines = commands.output("audit", "--action", "type.pause").splitlines()
    assert len(lines) == 2
    assert lines[1].split()[-3:] == ["type.pause", "mail", "{}"]
    (older,) = commands.json("audit", "--before-id", str(found[0]["id"]))["entries"]
    assert older == found[1]


def test_tasks_that_commands_change_are_noted(site: Site, commands: Commands) -> None:
    task_types.register(site, "mail", "1", {}, {})
    task_id = str(create(site, [NewTask("mail", {})])[0].id)
    for verb in ("cancel", "retry", "delete"):
        commands.output("tasks", verb, task_id)
    actions = [(each["action"], each["target"]) for each in commands.json("audit")["entries"]]
    assert actions == [(f"task.{verb}", task_id) for verb in ("delete", "retry", "cancel")]
