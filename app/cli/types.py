"""``flask types``: register task types, look at them, switch them on and off."""

from __future__ import annotations

from typing import Any

import click

from app.cli.commands import current_actor, current_site, group
from app.cli.json_objects import objects_in
from app.cli.output import json_option, print_facts, print_json, print_table

STATE = ("id", "is_active", "is_paused", "archived_at", "created_at", "updated_at")
"""What is printed of a type beside what registering takes."""

types = group("types", "List, register, pause, switch off and delete task types.")


@types.command("list")
@json_option
def list_types(as_json: bool) -> None:
    """List the task types by name."""
    from app.api import serializers
    from app.queue import task_types

    found = [serializers.task_type(row) for row in task_types.list_all(current_site())]
    if as_json:
        print_json({"task_types": found})
        return
    columns = ["name", "version", "is_active", "is_paused", "max_running", "max_per_key"]
    headings = ["name", "version", "active", "paused", "max running", "max per key", "rate"]
    headings.append("description")
    rows = [
        [*(each[column] for column in columns), _rate(each["rate"]), each["description"]]
        for each in found
    ]
    print_table(headings, rows)


def _rate(rate: dict[str, Any] | None) -> str | None:
    return None if rate is None else f"{rate['tasks']} in {rate['seconds']:g} s"


@types.command("show")
@click.argument("name")
@json_option
def show_type(name: str, as_json: bool) -> None:
    """Show a task type with its schema and settings."""
    from app.api import serializers
    from app.queue import task_types

    shown = serializers.task_type(task_types.get(current_site(), name))
    if as_json:
        print_json(shown)
    else:
        print_facts(list(shown.items()))


@types.command("register")
@click.argument("file", default="-", type=click.File(encoding="utf-8"))
@json_option
def register_types(file: Any, as_json: bool) -> None:
    """Register or update the types in a JSON file.

    FILE holds what POST /api/task-types/register takes, a list of such objects, or what
    "types list --json" prints. Use - for standard input.
    """
    from app.api.endpoints.task_types import register_from

    site = current_site()
    registered = []
    for where, each in objects_in(file, "task_types", STATE):
        result, warnings = register_from(each, site, where, actor=current_actor())
        registered.append(result)
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
        if not as_json:
            verb = "registered" if "created" in result else "updated"
            click.echo(f"Task type {result['name']} {verb}")
    if as_json:
        print_json({"task_types": registered})


@types.command("pause")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def pause_types(names: tuple[str, ...]) -> None:
    """Hand out no tasks of these types.

    New tasks are still accepted. "types resume" ends the pause.
    """
    from app.queue import task_types

    for name in names:
        task_types.set_paused(current_site(), name, True, actor=current_actor())
        click.echo(f"Task type {name} paused")


@types.command("resume")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def resume_types(names: tuple[str, ...]) -> None:
    """Hand out tasks of these types again."""
    from app.queue import task_types

    for name in names:
        task_types.set_paused(current_site(), name, False, actor=current_actor())
        click.echo(f"Task type {name} resumed")


@types.command("activate")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def activate_types(names: tuple[str, ...]) -> None:
    """Accept new tasks of these types again."""
    from app.queue import task_types

    for name in names:
        task_types.set_active(current_site(), name, True, actor=current_actor())
        click.echo(f"Task type {name} activated")


@types.command("deactivate")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def deactivate_types(names: tuple[str, ...]) -> None:
    """Accept no new tasks of these types.

    Waiting ones still run.
    """
    from app.queue import task_types

    for name in names:
        task_types.set_active(current_site(), name, False, actor=current_actor())
        click.echo(f"Task type {name} deactivated")


@types.command("delete")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def delete_types(names: tuple[str, ...]) -> None:
    """Delete types without unfinished tasks.

    A type with ended tasks is archived: it is not listed any more, and its tasks stay. Registering
    it again brings it back.
    """
    from app.queue.delete_type import delete_type

    for name in names:
        archived = delete_type(current_site(), name, actor=current_actor())
        done = "archived, since it has ended tasks" if archived else "deleted"
        click.echo(f"Task type {name} {done}")
