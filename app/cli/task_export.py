"""``flask tasks export``: tasks as JSON lines, any number of them."""

from __future__ import annotations

import click

from app.cli.commands import command, current_site
from app.cli.files import overwrite_option, writing
from app.cli.output import progress
from app.cli.task_filters import filter_options, read_filters
from app.wording import counted


@command("export")
@click.argument("file", default="-", metavar="[FILE]")
@filter_options()
@overwrite_option
def export_tasks(file: str, overwrite: bool, **given: str | None) -> None:
    """Write tasks to FILE as JSON lines, oldest first.

    "tasks import" reads such a file. A name that ends in .gz is compressed; use - for standard
    output.
    """
    from app.api import serializers
    from app.json_text import dumps
    from app.queue.oldest_first import OldestFirst

    site = current_site()
    windows = OldestFirst(site, read_filters(site, given))
    count = 0
    bar = progress(windows.length, "exporting", show_position=False)
    with writing(file, overwrite) as out, bar as advance:
        for rows, ids in windows:
            for row in rows:
                out.write(f"{dumps(serializers.task(row))}\n".encode("utf-8", "replace"))
            count += len(rows)
            advance(ids)
    click.echo(f"{counted(count, 'task')} exported", err=True)
