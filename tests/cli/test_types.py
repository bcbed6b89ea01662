"""``flask types`` and ``flask workers``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.queue import workers
from app.site import Site
from tests.cli.runner import Commands

MAIL = {"name": "mail", "version": "1", "param_schema": {"type": "object"}, "max_running": 2}
SMS = {"name": "sms", "version": "3", "param_schema": {}}


def test_a_type_is_registered_from_a_file_and_updated(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "mail.json"
    file.write_text(json.dumps(MAIL), "utf-8")
    assert commands.output("types", "register", str(file)) == "Task type mail registered\n"
    file.write_text(json.dumps({**MAIL, "max_running": None, "version": "2"}), "utf-8")
    assert commands.output("types", "register", str(file)) == "Task type mail updated\n"
    shown = commands.json("types", "show", "mail")
    assert (shown["version"], shown["max_running"]) == ("2", None)
    assert "version          2\n" in commands.output("types", "show", "mail")


def test_what_list_prints_can_be_registered(commands: Commands) -> None:
    commands.output("types", "register", stdin=json.dumps([MAIL, SMS]))
    listed = commands.output("types", "list", "--json")
    assert [each["name"] for each in json.loads(listed)["task_types"]] == ["mail", "sms"]
    result = commands.run("types", "register", stdin=listed)
    assert (result.stdout, result.stderr) == ("Task type mail updated\nTask type sms updated\n", "")
    lines = commands.output("types", "list").splitlines()
    assert lines[1].split() == ["mail", "1", "yes", "no", "2", "-", "-", "-"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense", "is not JSON: Expecting value at line 1, column 1"),
        ("7", "the file must hold an object, {…}, or a list of objects"),
        ('[{"name": "mail"}]', "[0].version is required; [0].param_schema is required"),
    ],
)
def test_a_file_that_holds_no_type_is_refused(commands: Commands, content: str, told: str) -> None:
    result = commands.run("types", "register", stdin=content)
    assert result.exit_code == 1
    assert told in result.stderr


def test_a_missing_file_is_a_wrong_command_line(commands: Commands) -> None:
    assert "No such file" in commands.error("types", "register", "/nowhere/x.json", code=2)


def test_types_are_switched_off_and_on(commands: Commands) -> None:
    commands.output("types", "register", stdin=json.dumps([MAIL, SMS]))
    assert commands.output("types", "pause", "mail", "sms") == (
        "Task type mail paused\nTask type sms paused\n"
    )
    assert commands.json("types", "show", "sms")["is_paused"] is True
    commands.output("types", "resume", "sms")
    assert commands.json("types", "show", "sms")["is_paused"] is False
    assert commands.output("types", "deactivate", "mail") == "Task type mail deactivated\n"
    assert commands.json("types", "show", "mail")["is_active"] is False
    commands.output("types", "activate", "mail")
    assert commands.json("types", "show", "mail")["is_active"] is True


def test_an_unknown_type_is_an_error(commands: Commands) -> None:
    for verb in ("show", "pause", "activate"):
        assert "Task type 'fax' not found" in commands.error("types", verb, "fax")


def test_types_are_deleted_or_archived(site: Site, commands: Commands) -> None:
    commands.output("types", "register", stdin=json.dumps([MAIL, SMS]))
    made = commands.json("tasks", "add", "mail")["id"]
    assert "has 1 unfinished task" in commands.error("types", "delete", "mail")
    commands.output("tasks", "cancel", str(made))
    assert commands.output("types", "delete", "sms", "mail") == (
        "Task type sms deleted\nTask type mail archived, since it has ended tasks\n"
    )
    assert commands.json("types", "list") == {"task_types": []}
    shown = commands.output("types", "show", "mail", "--json")
    assert commands.output("types", "register", stdin=shown) == "Task type mail updated\n"
    assert commands.json("types", "show", "mail")["is_active"] is True


def test_workers_are_listed(site: Site, commands: Commands) -> None:
    workers.register(site, "w-1", {"host": "h", "version": "2"})
    (listed,) = commands.json("workers", "list")["workers"]
    assert (listed["id"], listed["host"], listed["active_tasks"]) == ("w-1", "h", 0)
    lines = commands.output("workers", "list").splitlines()
    assert lines[1].split()[:3] == ["w-1", "h", "2"]
