"""``flask tasks``: look at tasks and make one. Longer commands have modules of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from app.cli.commands import current_site, group
from app.cli.options import wrong_options
from app.cli.output import json_option, print_facts, print_json, print_table
from app.cli.task_changes import cancel_tasks, delete_tasks, retry_tasks
from app.cli.task_export import export_tasks
from app.cli.task_filters import SEARCH, filter_options, read_filters
from app.cli.task_import import import_tasks
from app.cli.task_params import read_params
from app.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.queue.new_task import NewTask

MAX_LIST = 10_000

tasks = group("tasks", "List, make, retry, cancel, delete, export and import tasks.")
for longer in (retry_tasks, cancel_tasks, delete_tasks, export_tasks, import_tasks):
    tasks.add_command(longer)


@tasks.command("list")
@filter_options(*SEARCH)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LIST),
    default=50,
    show_default=True,
    help="How many to show.",
)
@json_option
def list_tasks(limit: int, as_json: bool, **given: str | None) -> None:
    """List tasks, newest first.

    A task must pass every filter that is given.
    """
    from app.api import serializers

    rows, more = _found(read_filters(current_site(), given), limit)
    found = [serializers.task(row) for row in rows]
    if as_json:
        print_json({"tasks": found, "next_before_id": more})
        return
    print_table(
        ["id", "type", "status", "priority", "attempts", "created", "worker", "error"],
        [
            [
                each["id"],
                each["type"],
                each["status"],
                each["priority"],
                f"{each['attempts']}/{each['max_attempts']}",
                each["created_at"],
                each["claimed_by"],
                (each["error_message"] or "")[:200],
            ]
            for each in found
        ],
    )
    if more is not None:
        click.echo(f"There may be more: add --before-id {more}", err=True)


def _found(
    filters: Mapping[str, Any], limit: int
) -> tuple[Sequence[Mapping[Any, Any]], int | None]:
    """Tasks, and below which id there may be more."""
    from app.queue import listing
    from app.queue.find_task import find_tasks

    site = current_site()
    if "q" in filters:
        result = listing.search(site, filters, limit)
        return find_tasks(site, result.ids) if result.ids else [], result.next_before_id
    rows = listing.find(site, filters, limit)
    return rows, rows[-1]["id"] if len(rows) == limit else None


@tasks.command("show")
@click.argument("task_id", metavar="ID", type=click.IntRange(min=1))
@json_option
def show_task(task_id: int, as_json: bool) -> None:
    """Show everything about a task, with its history."""
    from app.api import serializers
    from app.queue import history
    from app.queue.find_task import find_task

    site = current_site()
    shown = serializers.task(find_task(site, task_id))
    lines = [serializers.history_line(row) for row in history.read(site, task_id)]
    if as_json:
        print_json({**shown, "history": lines})
        return
    traceback = shown.pop("error_traceback")
    print_facts(list(shown.items()))
    if traceback:
        click.echo(f"\n{traceback.rstrip()}")
    if lines:
        click.echo()
        columns = ["created_at", "status", "attempt", "worker_id", "message"]
        print_table(columns, [[line[column] for column in columns] for line in lines])


@tasks.command("add")
@click.argument("type_name", metavar="TYPE")
@click.argument("params", default="{}")
@click.option("--priority", type=int, help="Tasks with higher priorities run first.")
@click.option("--run-at", help="Not before this time, like 2026-01-31T12:00:00Z.")
@click.option("--delay", type=float, metavar="SECONDS", help="Not before so many seconds from now.")
@click.option("--max-attempts", type=int, help="How many attempts it gets.")
@click.option("--timeout", type=float, metavar="SECONDS", help="The lease of its claims.")
@click.option(
    "--dedupe",
    metavar="SCOPE",
    help="How long an equal task stands for this one: forever, active, a number of seconds, or "
    "false for never.",
)
@click.option("--dedupe-key", help="What makes tasks equal, instead of type and params.")
@click.option(
    "--concurrency-key", help="Of the tasks of its type with this key, only so many run at once."
)
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@json_option
def add_task(type_name: str, params: str, as_json: bool, **options: Any) -> None:
    """Make a task of a type.

    PARAMS is a JSON object like '{"to": "ann@example.com"}'. Use - to read it from standard input.
    """
    from app.api import serializers
    from app.queue.create import create

    site = current_site()
    given = {"type": type_name, "params": read_params(params, "PARAMS"), **_given(options)}
    (created,) = create(site, [_new_task(given)])
    names = serializers.EXISTING if created.deduplicated else serializers.CREATED
    shown = serializers.task(created.row, names)
    if as_json:
        print_json({**shown, "deduplicated": created.deduplicated})
    elif created.deduplicated:
        click.echo(f"An equal task exists already: task {created.id}, {shown['status']}")
    else:
        click.echo(f"Task {created.id} created")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as the API takes them."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "tags" in given:
        given["tags"] = list(given["tags"])
    if "dedupe" in given:
        given["dedupe"] = _scope(given["dedupe"])
    return given


def _scope(text: str) -> Any:
    """Numbers and false are values, other words are text."""
    try:
        return json.loads(text.lower())
    except ValueError:
        return text


def _new_task(given: Mapping[str, Any]) -> NewTask:
    from app.api.endpoints.tasks import new_task

    try:
        return new_task(given, current_site().settings)[0]
    except Invalid as error:
        raise wrong_options(error, {"type": "TYPE", "params": "PARAMS"}) from None
