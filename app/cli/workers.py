"""``flask workers``: who works here, and when each was last seen."""

from __future__ import annotations

import click

from app.cli.commands import current_site, group
from app.cli.output import json_option, print_json, print_table

workers = group("workers", "Look at the workers.")


@workers.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many to show.",
)
@json_option
def list_workers(limit: int, as_json: bool) -> None:
    """List the workers, those seen last first.

    What they did is counted for the last day.
    """
    from app.api import serializers
    from app.queue import workers as queue_workers

    rows = queue_workers.list_all(current_site(), limit, 0)
    found = [{**serializers.worker(row), **serializers.worker_stats(row)} for row in rows]
    if as_json:
        print_json({"workers": found})
        return
    print_table(
        ["id", "host", "version", "last seen", "left", "active", "done", "failed", "mean seconds"],
        [
            [
                each["id"],
                each["host"],
                each["version"],
                each["last_seen_at"],
                each["deregistered_at"] is not None,
                each["active_tasks"],
                each["done"],
                each["failed"],
                each["mean_run_seconds"],
            ]
            for each in found
        ],
    )
