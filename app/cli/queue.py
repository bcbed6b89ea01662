"""``flask queue``: the pause of the whole queue, or of all types that match a pattern."""

from __future__ import annotations

import click

from app.cli.commands import current_actor, current_site, group
from app.cli.output import json_option, print_facts, print_json

queue = group("queue", "Pause and resume the whole queue, or types by a pattern.")

PATTERN = click.option(
    "--type-pattern",
    metavar="PATTERN",
    help="Only the types that match, with % for any text and _ for one character.",
)


@queue.command("show")
@json_option
def show(as_json: bool) -> None:
    """Show whether the queue is paused, and which types are paused by themselves."""
    from app.api import serializers
    from app.queue import pause

    shown = serializers.pause(pause.state(current_site()))
    if as_json:
        print_json(shown)
    else:
        print_facts(list(shown.items()))


@queue.command("pause")
@PATTERN
def pause_queue(type_pattern: str | None) -> None:
    """Hand out no tasks until the queue is resumed.

    New tasks are still accepted, and tasks that are running end as usual. With --type-pattern, the
    types that match now are paused; types that are registered later are not.
    """
    from app.queue import pause

    if type_pattern is None:
        pause.pause_queue(current_site(), actor=current_actor())
        click.echo("Queue paused")
        return
    _set_types(type_pattern, True)


@queue.command("resume")
@PATTERN
def resume_queue(type_pattern: str | None) -> None:
    """Hand out tasks again.

    Types that are paused by themselves stay so, unless --type-pattern matches them.
    """
    from app.queue import pause

    if type_pattern is None:
        pause.resume_queue(current_site(), actor=current_actor())
        click.echo("Queue resumed")
        return
    _set_types(type_pattern, False)


def _set_types(given: str, paused: bool) -> None:
    from app.api.endpoints.queue import type_pattern
    from app.queue import pause
    from app.wording import counted

    try:
        pattern = type_pattern(given)
    except ValueError as error:
        raise click.UsageError(f"--type-pattern {error}") from None
    matching = pause.set_types_paused(current_site(), pattern, paused, actor=current_actor())
    click.echo(f"{counted(matching, 'task type')} {'paused' if paused else 'resumed'}")
