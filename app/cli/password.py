"""``flask set-password``: the admin password of the dashboard."""

from __future__ import annotations

import sys

import click

from app.cli.commands import command, current_actor, current_site


@command("set-password")
@click.option("--password-stdin", is_flag=True, help="Read it from standard input, without asking.")
@click.option("--remove", is_flag=True, help="Have none: then only API keys sign in.")
def set_password(password_stdin: bool, remove: bool) -> None:
    """Set the password that signs in to the dashboard, and sign everybody out."""
    from app.queue import admin_password

    if password_stdin and remove:
        raise click.UsageError("--remove takes no password: leave out --password-stdin")
    if remove:
        admin_password.remove(current_site(), current_actor())
        click.echo("Password removed, everybody is signed out")
        return
    password = _line_of_stdin() if password_stdin else _asked()
    admin_password.change(current_site(), password, current_actor())
    click.echo("Password set, everybody is signed out")


def _line_of_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _asked() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: add --password-stdin")
    password: str = click.prompt(
        "New password", hide_input=True, confirmation_prompt=True, err=True
    )
    return password
