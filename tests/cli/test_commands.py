"""What all commands have in common: they are found, they explain themselves, they fail politely."""

from __future__ import annotations

import ast
import subprocess
import sys

import click
import pytest

from app.cli import COMMANDS, SiteCommands
from app.cli.commands import SiteCommand, SiteGroup
from app.errors import Invalid, NotFound
from tests.support.programs import environment, run_flask
from tests.support.server import PROJECT

ALL = SiteCommands("app")
CONTEXT = click.Context(ALL)

MODULES_OF_COMMANDS = """
import sys
from app.config import from_values
from app.server.flask_app import create_app
from app.site import Site
create_app(Site(from_values({"DATABASE_URL": "sqlite:////nowhere/queue.sqlite3"})))
print(*(name for name in sys.modules if name.startswith("app.cli")))
"""


def leaves() -> list[tuple[str, click.Command]]:
    """Every command by its full name."""
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = ALL.get_command(CONTEXT, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", each) for sub, each in command.commands.items()]
        found.append((name, command))
    return found


LEAVES = dict(leaves())


def test_a_web_request_imports_no_command() -> None:
    program = [sys.executable, "-c", MODULES_OF_COMMANDS]
    done = subprocess.run(program, capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.split() == ["app.cli"]


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_explains_itself(name: str) -> None:
    command = LEAVES[name]
    assert command.help, "a docstring says what it does"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} has no help"


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_fails_politely(name: str) -> None:
    """They are made by app/cli/commands.py, which turns errors into sentences."""
    assert isinstance(LEAVES[name], (SiteCommand, SiteGroup))


def test_commands_hold_no_sql() -> None:
    """What a command does is done by the queue or the database layer."""
    for path in sorted((PROJECT / "app" / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.startswith(("SELECT ", "UPDATE ", "DELETE ", "INSERT ")), path


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotFound("Task 7 not found"), "Error: Task 7 not found"),
        (Invalid("a is wrong", [{"path": "a", "message": "is wrong"}]), "Error: a is wrong"),
        (
            Invalid("…", [{"path": "a", "message": "is wrong"}, {"path": "b", "message": "is"}]),
            "Error: a is wrong; b is",
        ),
        (FileNotFoundError(2, "No such file", "/x"), "Error: /x: No such file"),
    ],
)
def test_errors_are_one_line(error: Exception, told: str) -> None:
    def fail() -> None:
        raise error

    command = SiteCommand("fails", callback=fail)
    with pytest.raises(click.ClickException) as caught:
        command.invoke(click.Context(command))
    assert f"Error: {caught.value.format_message()}" == told
    assert caught.value.exit_code == 1


def test_an_unknown_command_is_a_wrong_command_line() -> None:
    done = run_flask("nonsense", env=environment("sqlite:////nowhere/queue.sqlite3"))
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr
