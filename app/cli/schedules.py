"""``flask schedules``: tasks that are made at their times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.commands import current_actor, current_site, group
from app.cli.json_objects import objects_in
from app.cli.output import confirm, json_option, print_facts, print_json, print_table, yes_option

if TYPE_CHECKING:
    from app.db.connection import Row

STATE = ("next_runs", "last_run", "runs", "created_at", "updated_at")
"""What is printed of a schedule beside what makes one."""

schedules = group("schedules", "List, put, pause, run and delete schedules.")


@schedules.command("list")
@json_option
def list_schedules(as_json: bool) -> None:
    """List the schedules by name, with their next and their last run."""
    from app.api import serializers
    from app.queue.schedules import store

    found = [serializers.schedule(row) for row in store.list_all(current_site())]
    if as_json:
        print_json({"schedules": found})
        return
    headings = ["name", "type", "when", "time zone", "next run", "last run", "status"]
    print_table(headings, [_cells(each) for each in found])


@schedules.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a schedule, its next five times, and what became of its last twenty."""
    from app.api import serializers
    from app.queue.schedules import store

    site = current_site()
    row = store.get(site, name)
    runs = [serializers.schedule_run(run) for run in store.runs(site, row["id"])]
    shown = serializers.schedule(row)
    if as_json:
        print_json({**shown, "runs": runs})
        return
    print_facts(list(shown.items()))
    click.echo()
    columns = ["at", "task_id", "status", "message"]
    print_table(["time", "task", "status", ""], [[run[each] for each in columns] for run in runs])


@schedules.command("put")
@click.argument("file", default="-", type=click.File(encoding="utf-8"))
@json_option
def put(file: Any, as_json: bool) -> None:
    """Make the schedules in a JSON FILE, or give those of the same names its values.

    FILE holds what POST /api/schedules takes, a list of such objects, or what
    "schedules list --json" prints; - is standard input.
    """
    from app.api import serializers
    from app.api.endpoints.schedules import put_from

    site, shown = current_site(), []
    for where, each in objects_in(file, "schedules", STATE):
        row, is_new, warnings = put_from(each, site, where, actor=current_actor())
        shown.append(serializers.schedule(row))
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
        if not as_json:
            click.echo(f"Schedule {row['name']} {'created' if is_new else 'updated'}")
    if as_json:
        print_json({"schedules": shown})


@schedules.command("pause")
@click.argument("name")
def pause(name: str) -> None:
    """Make no more tasks by this schedule until it is resumed."""
    from app.queue.schedules import store

    store.set_paused(current_site(), name, True, actor=current_actor())
    click.echo(f"Schedule {name} paused")


@schedules.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Let a paused schedule make tasks again, from its next time on."""
    from app.queue.schedules import store

    row = store.set_paused(current_site(), name, False, actor=current_actor())
    click.echo(f"Schedule {name} resumed: {_next_of(row)}")


@schedules.command("run")
@click.argument("name")
def run(name: str) -> None:
    """Make a task of this schedule now, besides those of its times."""
    from app.queue.schedules import store
    from app.queue.schedules.making import run_now

    site = current_site()
    click.echo(f"Task {run_now(site, store.get(site, name), current_actor())} created")


@schedules.command("delete")
@click.argument("name")
@yes_option
def delete(name: str, yes: bool) -> None:
    """Delete a schedule. Its tasks stay."""
    from app.queue.schedules import store

    store.get(current_site(), name)
    confirm(f"Delete the schedule {name}?", yes)
    store.delete(current_site(), name, actor=current_actor())
    click.echo(f"Schedule {name} deleted")


def _cells(shown: dict[str, Any]) -> list[Any]:
    last = shown["last_run"] or {"at": None, "status": None, "message": None}
    coming = "paused" if shown["paused"] else next(iter(shown["next_runs"]), None)
    when = shown["cron"] or f"every {shown['every']:g} s"
    status = last["status"] or last["message"]
    return [shown["name"], shown["type"], when, shown["timezone"], coming, last["at"], status]


def _next_of(row: Row) -> str:
    from app.queue.schedules.times import next_times
    from app.times import to_iso

    times = next_times(row)
    return f"the next task is made at {to_iso(times[0])}" if times else "no time is still to come"
