"""``flask prune`` and ``flask vacuum``: delete what was kept long enough, and shrink the files."""

from __future__ import annotations

import click

from app.cli.commands import command, current_actor, current_site
from app.cli.output import confirm, json_option, print_json, print_table, progress, yes_option
from app.wording import size, span

NAMES = {
    "completed": "completed tasks",
    "failed": "failed tasks",
    "cancelled": "cancelled tasks",
    "result": "results",
}
VACUUM_SECONDS = 86400.0
"""How long one table may take."""


@command("prune")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option(
    "--max-seconds", type=click.FloatRange(min=0), help="Stop after that long, and go on next time."
)
@json_option
def prune(dry_run: bool, max_seconds: float | None, as_json: bool) -> None:
    """Delete everything that was kept for as long as the settings and task types say.

    Claims do the same bit by bit. This does it until nothing is left, half of the time pausing
    for the calls of others.
    """
    from app.queue import audit
    from app.queue.upkeep.prune import count_everything, prune_everything
    from app.queue.upkeep.turn import Budget

    site = current_site()
    counts = dict.fromkeys(NAMES, 0)
    with progress(None, "Counting" if dry_run else "Pruning") as move:

        def tell(kind: str, count: int) -> None:
            counts[kind] = counts.get(kind, 0) + count
            move(count)

        is_more_left = False
        if dry_run:
            count_everything(site, tell)
        else:
            is_more_left = prune_everything(site, Budget(max_seconds), tell)
    named = {NAMES.get(kind, kind): count for kind, count in counts.items()}
    if not dry_run and any(named.values()):
        audit.write(site, current_actor(), "prune", None, **counts)
    if as_json:
        print_json({"dry_run": dry_run, "deleted": named, "is_more_left": is_more_left})
        return
    print_table(["to delete" if dry_run else "deleted", "count"], list(named.items()))
    if is_more_left:
        click.echo("The time was up and more is left: run it again.", err=True)


@command("vacuum")
@yes_option
def vacuum(yes: bool) -> None:
    """Give the space of deleted tasks back to the disk. Says first what has to wait for it."""
    import time

    from app.db import Database
    from app.db.space import Space

    site = current_site()
    database = Database(site.settings.database, VACUUM_SECONDS)
    try:
        space = Space(database)
        before = space.sizes()
        total = sum(before.values())
        confirm(f"{space.warning} The queue has {size(total)} now. Go on?", yes)
        begun = time.monotonic()
        for table in space.tables:
            space.vacuum(table)
        after = space.sizes()
    finally:
        database.close()
    rows = [(name, size(before[name]), size(after.get(name, 0))) for name in before]
    rows.append(("total", size(total), size(sum(after.values()))))
    print_table(["", "before", "after"], rows)
    click.echo(f"It took {span(time.monotonic() - begun)}.")
