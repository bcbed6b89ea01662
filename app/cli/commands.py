"""How commands are made: ``@command("doctor")``, or ``tasks = group("tasks")`` and then
``@tasks.command("list")``.

A command runs inside the application's context. What goes wrong is one line on standard error that
says what to do, and exit code 1; a command line that cannot be understood is exit code 2.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from app.errors import CallError, TaskManagerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.queue.audit import Actor
    from app.site import Site


def current_site() -> Site:
    """The site that the command is run for."""
    site: Site = current_app.extensions["taskmanager"]
    return site


def current_actor() -> Actor:
    """Who runs the command, for the audit log: the system's account."""
    from getpass import getuser

    from app.queue.audit import Actor

    try:
        account = getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as containers have
        account = str(os.getuid())
    return Actor(f"cli {account}")


class SiteCommand(click.Command):
    """A command whose errors are sentences."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TaskManagerError as error:
            raise click.ClickException(sentence(error)) from error
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except OSError as error:
            raise click.ClickException(_of_system(error)) from error


class SiteGroup(AppGroup):
    """Commands about one noun."""

    command_class = SiteCommand


def group(name: str, help: str) -> SiteGroup:
    """A group of commands; ``help`` is what ``--help`` says of it."""
    return SiteGroup(name, help=help)


def command(name: str) -> Callable[[Callable[..., Any]], SiteCommand]:
    """Decorates a function that is a command without a group."""

    def decorate(function: Callable[..., Any]) -> SiteCommand:
        return click.command(name, cls=SiteCommand)(with_appcontext(function))

    return decorate


def sentence(error: TaskManagerError) -> str:
    """What went wrong, in one line; every validation error, where a call has several."""
    if isinstance(error, CallError) and len(error.details) > 1:
        return "; ".join(f"{each['path']} {each['message']}" for each in error.details)
    return " ".join(str(error).split())


def _of_system(error: OSError) -> str:
    """Such as ``/backups/queue.jsonl: No space left on device``."""
    reason = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason
