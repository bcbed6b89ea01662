"""``flask audit``: who did which operating action."""

from __future__ import annotations

import click

from app.cli.commands import command, current_site
from app.cli.output import json_option, print_json, print_table


@command("audit")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="How many to show.",
)
@click.option("--before-id", type=click.IntRange(1), help="Only those before the one with this id.")
@click.option("--action", help="Only this action, such as task.retry.")
@click.option("--actor", help="Only what this one did, such as 'root key'.")
@json_option
def audit_log(
    limit: int, before_id: int | None, action: str | None, actor: str | None, as_json: bool
) -> None:
    """Show who did what: retried, cancelled, paused, made keys. The newest come first."""
    from app.api import serializers
    from app.queue import audit

    rows = audit.read(current_site(), limit, before_id, action, actor)
    entries = [serializers.audit_entry(row) for row in rows]
    if as_json:
        print_json({"entries": entries})
        return
    columns = ["id", "at", "actor", "action", "target", "detail"]
    print_table(columns, [[each[column] for column in columns] for each in entries])
