"""``flask stats`` and ``flask failures``: how the queue is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.commands import command, current_site
from app.cli.output import json_option, print_facts, print_json, print_table

if TYPE_CHECKING:
    from app.queue.statistics.stats import Stats

type_option = click.option("--type", "type_name", metavar="NAME", help="Of this type alone.")


@command("stats")
@type_option
@click.option("--recount", is_flag=True, help="Count all tasks again first, and repair the counts.")
@json_option
def stats(type_name: str | None, recount: bool, as_json: bool) -> None:
    """Show how many tasks there are, and how they do.

    Counts are kept up to date from the history. --recount is for tables that were changed by hand.
    """
    from app.api import serializers
    from app.queue.statistics import stats as statistics

    site = current_site()
    if recount:
        _recount()
    found = statistics.stats(site, type_name)
    if as_json:
        print_json(serializers.stats(found))
        return
    _print_stats(found)


@command("failures")
@type_option
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many groups to show.",
)
@json_option
def failures(type_name: str | None, limit: int, as_json: bool) -> None:
    """List the failed tasks in groups of the same kind of error, the largest first."""
    from app.api import serializers
    from app.queue.statistics.failures import failures as failure_groups

    groups = failure_groups(current_site(), type_name, limit)
    found = [serializers.failure_group(each) for each in groups]
    if as_json:
        print_json({"failures": found})
        return
    names = ("count", "type", "error_group", "last_at", "sample_id", "error")
    headings = ["count", "type", "group", "last", "sample", "error"]
    print_table(headings, [[each[name] for name in names] for each in found])


def _recount() -> None:
    from app.queue.statistics.roll_up import recount_now

    if recount_now(current_site()):
        click.echo("All tasks were counted again", err=True)
    else:
        click.echo("No history is kept: tasks are counted each time", err=True)


def _print_stats(found: Stats) -> None:
    from app.api import serializers

    shown = serializers.stats(found)
    statuses = list(found.counts)
    rows: list[list[Any]] = [[name, *counts.values()] for name, counts in found.by_type]
    print_table(["type", *statuses], [*rows, ["all", *found.counts.values()]])
    click.echo()
    print_table(
        ["ended within", "a minute", "an hour", "a day"],
        [[end, *shown[end].values()] for end in ("completed", "failed")],
    )
    click.echo()
    print_table(
        ["seconds, of the last hour", "p50", "p95", "p99"],
        [
            ["waiting to be claimed", *shown["wait_seconds"].values()],
            ["running", *shown["run_seconds"].values()],
        ],
    )
    click.echo()
    print_facts([("oldest due task, seconds", shown["oldest_due_age"])])
