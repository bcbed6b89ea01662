"""``flask`` commands, one module a noun: ``flask --app passenger_wsgi tasks list``.

A web request that loads Flask reads this table and nothing else of the commands.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from flask.cli import AppGroup

if TYPE_CHECKING:
    import click

COMMANDS = {
    "audit": "app.cli.audit:audit_log",
    "backup": "app.cli.backup:backup",
    "doctor": "app.cli.doctor:doctor",
    "failures": "app.cli.stats:failures",
    "init-db": "app.cli.database:init_db",
    "keys": "app.cli.keys:keys",
    "prune": "app.cli.prune:prune",
    "queue": "app.cli.queue:queue",
    "restore": "app.cli.backup:restore",
    "schedules": "app.cli.schedules:schedules",
    "set-password": "app.cli.password:set_password",
    "stats": "app.cli.stats:stats",
    "tasks": "app.cli.tasks:tasks",
    "types": "app.cli.types:types",
    "upgrade-db": "app.cli.database:upgrade_db",
    "vacuum": "app.cli.prune:vacuum",
    "workers": "app.cli.workers:workers",
    "write-reference": "app.cli.reference:write_reference",
    "write-schema": "app.cli.database:write_schema",
}
"""Where each command, or group of commands, is defined."""


class SiteCommands(AppGroup):
    """The commands of a site, each imported when it is run or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command
