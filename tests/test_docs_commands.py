"""docs/operations.md names every command, and shows what commands really print."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from app.cli import COMMANDS, SiteCommands
from tests.cli.runner import Commands
from tests.support.queue import site_at
from tests.support.server import PROJECT

TEXT = (PROJECT / "docs" / "operations.md").read_text("utf-8")
PROMPT = "$ flask --app passenger_wsgi "
ANYTHING = "…"

SAME = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"\(\d[\d.]* (bytes|KB|MB)\)"), "(SIZE)"),
    (re.compile(r"Backed up \d+ rows"), "Backed up ROWS"),
)
"""What differs from run to run, and what stands for it."""


def names() -> list[str]:
    """Of all commands, those in groups with the group's."""
    groups = SiteCommands("app")
    context = click.Context(groups)
    found = []
    for name in COMMANDS:
        command = groups.get_command(context, name)
        if isinstance(command, click.Group):
            found += [f"{name} {each}" for each in command.commands]
        else:
            found.append(name)
    return found


@pytest.mark.parametrize("name", names())
def test_every_command_is_in_the_page(name: str) -> None:
    assert re.search(rf"(`|{re.escape(PROMPT)}){name}\b", TEXT), f"{name} is not explained"


def examples() -> list[tuple[str, list[str]]]:
    """Each command line with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith(PROMPT):
                found.append((line.removeprefix(PROMPT), []))
            else:
                found[-1][1].append(line)
    return found


def test_what_they_print_is_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another, as somebody would type them."""
    monkeypatch.chdir(tmp_path)
    of_type = {"name": "mail.welcome", "version": "1", "param_schema": {"required": ["to"]}}
    (tmp_path / "mail.json").write_text(json.dumps(of_type), "utf-8")
    nightly = {"name": "nightly", "type": "mail.welcome", "params": {"to": "a"}, "cron": "@daily"}
    (tmp_path / "nightly.json").write_text(json.dumps(nightly), "utf-8")
    site = site_at(f"sqlite:///{tmp_path}/queue.db", API_KEY="a-key-of-a-good-length-1")
    commands = Commands(site)
    shown = examples()
    assert len(shown) > 10
    for line, expected in shown:
        printed = commands.run(*shlex.split(line)).output.splitlines()
        assert matches([same(each) for each in printed], [same(each) for each in expected]), (
            line,
            printed,
        )
    site.db.close()


def same(line: str) -> str:
    for pattern, stands_for in SAME:
        line = pattern.sub(stands_for, line)
    return line


def matches(printed: list[str], expected: list[str]) -> bool:
    """Whether the lines are the expected ones, where … is any number of lines."""
    if not expected:
        return not printed
    if expected[0] == ANYTHING:
        rest = expected[1:]
        return any(matches(printed[start:], rest) for start in range(len(printed) + 1))
    return bool(printed) and printed[0] == expected[0] and matches(printed[1:], expected[1:])
