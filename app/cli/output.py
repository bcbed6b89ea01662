"""What commands print: tables, JSON, progress bars, questions. Sizes and spans of time are told in
the words of app/wording.py.

Results go to standard output. Progress bars, questions and errors go to standard error, so that
a result can be piped into another program.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from click._termui_impl import ProgressBar

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for programs, instead of text."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns below their headings, numbers to the right. In a terminal, lines are cut at its
    width.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells)]
    is_number = [_are_numbers(column) for column in zip(*rows)] or [False] * len(headings)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in [headings, *cells]:
        padded = [
            cell.rjust(wide) if right else cell.ljust(wide)
            for cell, wide, right in zip(line, widths, is_number)
        ]
        click.echo("  ".join(padded).rstrip()[:width])


def print_facts(facts: Sequence[tuple[str, Any]]) -> None:
    """A name and its value a line."""
    widest = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        click.echo(f"{name:<{widest}}  {_cell(value)}")


@contextlib.contextmanager
def progress(
    length: int | None, label: str, *, show_position: bool = True
) -> Iterator[Callable[[int], None]]:
    """A progress bar in a terminal, nothing elsewhere. Yields what moves it on by so many steps.

    Without a ``length`` it shows how far it got, not how far it is.
    """
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    steps = itertools.repeat(None) if length is None else None
    bar: ProgressBar[None] = click.progressbar(
        iterable=steps, length=length, label=label, file=sys.stderr, show_pos=show_position
    )
    with bar:
        yield bar.update


def confirm(question: str, yes: bool) -> None:
    """Ask, unless ``--yes`` was given. Without a terminal nobody could answer: that is an error
    which says so.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody can be asked here: add --yes")
    click.confirm(question, abort=True, err=True)


def _are_numbers(column: Sequence[Any]) -> bool:
    kinds = {type(value) for value in column if value is not None}
    return bool(kinds) and kinds <= {int, float}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).split())
