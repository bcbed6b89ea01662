"""``flask schedules``."""

from __future__ import annotations

import json

import pytest

from app.site import Site
from tests.cli.runner import Commands
from tests.support.queue import register

NIGHTLY = {"name": "nightly", "type": "report", "cron": "30 4 * * *", "timezone": "Europe/Berlin"}
MINUTELY = {"name": "minutely", "type": "report", "every": 60, "missed": "all", "paused": True}


@pytest.fixture(autouse=True)
def _schedules(site: Site, commands: Commands) -> None:
    register(site, "report")
    told = commands.output("schedules", "put", stdin=json.dumps([NIGHTLY, MINUTELY]))
    assert told == "Schedule nightly created\nSchedule minutely created\n"


def test_list_and_show(commands: Commands) -> None:
    lines = commands.output("schedules", "list").splitlines()
    assert lines[1].split()[:6] == ["minutely", "report", "every", "60", "s", "UTC"]
    assert lines[1].split()[6] == "paused"
    assert lines[2].startswith("nightly   report  30 4 * * *  Europe/Berlin  20")
    shown = commands.json("schedules", "show", "nightly")
    assert {name: shown[name] for name in NIGHTLY} == NIGHTLY
    assert (len(shown["next_runs"]), shown["runs"]) == (5, [])


def test_what_list_prints_can_be_put(commands: Commands) -> None:
    listed = commands.output("schedules", "list", "--json")
    result = commands.run("schedules", "put", stdin=listed)
    assert result.stdout == "Schedule minutely updated\nSchedule nightly updated\n"
    assert result.stderr == ""


def test_pause_resume_run_delete(commands: Commands) -> None:
    assert commands.output("schedules", "pause", "nightly") == "Schedule nightly paused\n"
    assert commands.json("schedules", "show", "nightly")["next_runs"] == []
    told = commands.output("schedules", "resume", "nightly")
    assert told.startswith("Schedule nightly resumed: the next task is made at 20")
    task_id = commands.output("schedules", "run", "nightly").split()[1]
    assert commands.json("tasks", "show", task_id)["tags"] == ["schedule:nightly"]
    assert "run by hand" in commands.output("schedules", "show", "nightly")
    assert "add --yes" in commands.error("schedules", "delete", "nightly", code=2)
    assert commands.output("schedules", "delete", "nightly", "-y") == "Schedule nightly deleted\n"


@pytest.mark.parametrize("verb", ["show", "pause", "resume", "run", "delete"])
def test_a_name_that_does_not_exist(commands: Commands, verb: str) -> None:
    assert "Schedule 'weekly' not found" in commands.error("schedules", verb, "weekly")


def test_what_is_wrong_in_a_file(commands: Commands) -> None:
    wrong = [NIGHTLY, {**NIGHTLY, "cron": "at noon"}]
    result = commands.run("schedules", "put", stdin=json.dumps(wrong))
    assert result.exit_code == 1
    assert "[1].cron must have five fields" in result.stderr
