"""``flask tasks import``: tasks from JSON lines, as ``tasks export`` writes them or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.commands import command, current_site
from app.cli.files import reading
from app.cli.imported_lines import ImportedLines, LineError
from app.cli.output import progress
from app.errors import CallError
from app.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.queue.new_task import NewTask
    from app.site import Site

MAX_TOLD = 100
"""So many bad lines are told; the others are counted."""


@command("import")
@click.argument("file", default="-", metavar="[FILE]")
@click.option("--finished", is_flag=True, help="Import finished tasks as well; they run again.")
def import_tasks(file: str, finished: bool) -> None:
    """Make a task of each line of FILE.

    A line is a JSON object as POST /api/tasks takes it, or as "tasks export" writes it. Lines that
    cannot be imported are reported with their numbers; the others are imported. Each line makes at
    most one task, so run this again after an interruption. A name that ends in .gz is decompressed;
    use - for standard input.
    """
    site = current_site()
    result = ImportResult(site)
    with (
        reading(file) as source,
        progress(source.size, "importing", show_position=False) as advance,
    ):
        lines = ImportedLines(site, source.file, finished)
        position = 0
        for tasks, errors in lines.batches():
            result.tell(errors)
            result.make(tasks)
            advance(source.position - position)
            position = source.position
    result.finish(lines.skipped)


class ImportResult:
    """What became of the lines so far."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._created = 0
        self._existed = 0
        self._bad = 0

    def make(self, tasks: Sequence[NewTask]) -> None:
        """All of these tasks at once; where one is refused, the two halves, and so on down to the
        lines that are refused.
        """
        from app.queue.create import create

        if not tasks:
            return
        try:
            created = create(self._site, tasks)
        except CallError as error:
            if len(tasks) == 1:
                self.tell([LineError.of(tasks[0], error)])
                return
            middle = len(tasks) // 2
            self.make(tasks[:middle])
            self.make(tasks[middle:])
            return
        existed = sum(each.deduplicated for each in created)
        self._created += len(created) - existed
        self._existed += existed

    def tell(self, errors: Sequence[LineError]) -> None:
        for error in errors:
            self._bad += 1
            if self._bad <= MAX_TOLD:
                click.echo(str(error), err=True)

    def finish(self, skipped: int) -> None:
        """Say how many lines came to what. Raises ClickException when some were not imported."""
        told = [f"{counted(self._created, 'task')} created"]
        if self._existed:
            told.append(f"{self._existed} existed already")
        if skipped:
            told.append(f"{skipped} finished ones left out (--finished imports them)")
        click.echo(", ".join(told))
        if self._bad:
            raise click.ClickException(
                f"{counted(self._bad, 'line')} could not be imported: correct what is said above "
                "and run this again, the others are not made twice"
            )
