"""``flask tasks retry``, ``cancel`` and ``delete``: of tasks by their ids, or by filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.commands import command, current_actor, current_site
from app.cli.options import wrong_options
from app.cli.output import confirm, progress, yes_option
from app.cli.task_filters import SEARCH, filter_options, read_filters
from app.cli.task_params import read_params
from app.errors import Invalid, QueueError
from app.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from app.queue.audit import Actor
    from app.queue.bulk import BulkRequest
    from app.queue.list_count import Count
    from app.queue.task_action import TaskAction
    from app.site import Site

    class ChangeOne(Protocol):
        """A function of the queue that changes one task."""

        def __call__(self, site: Site, task_id: int, *, actor: Actor | None = None) -> object: ...


AT_ONCE = 500
"""Tasks between two movements of the progress bar."""


def chosen_tasks(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a command that changes the tasks of some ids, or those that pass filters."""
    dry_run = click.option(
        "--dry-run", is_flag=True, help="Only say how many tasks would be changed."
    )
    ids = click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(min=1))
    return ids(filter_options(*SEARCH)(dry_run(yes_option(function))))


@command("retry")
@chosen_tasks
@click.option("--params", help="Other params for the task, a JSON object; - reads them.")
@click.option("--priority", type=int, help="Another priority for the task.")
@click.option("--max-attempts", type=int, help="How many attempts it gets from now on.")
def retry_tasks(
    params: str | None, priority: int | None, max_attempts: int | None, **chosen: Any
) -> None:
    """Make failed, cancelled or waiting tasks pending now.

    Name them by their IDs, or by filters; --type % means all of them. One task may be edited with
    that: --params, --priority, --max-attempts.
    """
    from app.queue.retry import RETRY, retry

    edited = {"priority": priority, "max_attempts": max_attempts}
    edited = {name: value for name, value in edited.items() if value is not None}
    if params is not None or edited:
        _edit({**edited, **({} if params is None else {"params": params})}, **chosen)
    else:
        BulkCommand(RETRY, retry, "retry", "retried").run(**chosen)


def _edit(
    given: dict[str, Any], ids: Sequence[int], dry_run: bool, yes: bool, **filters: str | None
) -> None:
    from app.api.endpoints.task_actions import EDIT
    from app.queue.retry import retry
    from app.queue.task_edit import TaskEdit

    if len(ids) != 1 or dry_run or any(filters.values()):
        raise click.UsageError("name one task by its ID and no filter to edit it")
    if "params" in given:
        given["params"] = read_params(given["params"], "--params")
    site = current_site()
    try:
        values, _ = EDIT.read(given, site.settings)
    except Invalid as error:
        raise wrong_options(error) from None
    row = retry(site, ids[0], actor=current_actor(), edit=TaskEdit(**values))
    click.echo(f"Task {row['id']} is pending with the changes")


@command("cancel")
@chosen_tasks
def cancel_tasks(**chosen: Any) -> None:
    """Cancel waiting tasks; ask the workers of claimed ones to stop.

    Name them by their IDs, or by filters; --type % means all of them.
    """
    from app.queue.cancel import CANCEL, cancel

    BulkCommand(CANCEL, cancel, "cancel", "cancelled").run(**chosen)


@command("delete")
@chosen_tasks
def delete_tasks(**chosen: Any) -> None:
    """Delete tasks with their history, but for those that a worker holds.

    Name them by their IDs, or by filters; --type % means all of them.
    """
    from app.queue.delete import DELETE, delete

    BulkCommand(DELETE, delete, "delete", "deleted").run(**chosen)


class BulkCommand:
    """An action on many tasks: on each of some ids, or on those that pass filters, some at a time
    until all are done. ``one`` is the same for a single task.
    """

    def __init__(self, action: TaskAction, one: ChangeOne, verb: str, done: str) -> None:
        self._action = action
        self._one = one
        self._verb = verb
        self._done = done

    def run(self, ids: Sequence[int], dry_run: bool, yes: bool, **given: str | None) -> None:
        from app.queue.bulk import change_many

        request = _request(ids, given)
        if ids and not dry_run:
            self._change_each(ids)
            return
        matched = change_many(current_site(), self._action, request, is_dry_run=True).matched
        if dry_run:
            click.echo(f"{_told(matched)} would be {self._done}, nothing was changed")
            return
        if matched.total or matched.is_capped:
            confirm(f"{self._verb.capitalize()} {_told(matched)}?", yes)
        self._change_all(request, None if matched.is_capped else matched.total)

    def _change_each(self, ids: Sequence[int]) -> None:
        """Those for which it is refused are told, and the others are done. The audit log names
        each.
        """
        refused = 0
        with progress(len(ids), self._verb) as advance:
            for task_id in ids:
                try:
                    self._one(current_site(), task_id, actor=current_actor())
                except QueueError as error:
                    refused += 1
                    click.echo(f"Error: {error.message}", err=True)
                advance(1)
        self._tell(len(ids) - refused)
        if refused:
            raise SystemExit(1)

    def _change_all(self, request: BulkRequest, total: int | None) -> None:
        from app.queue.bulk import change_many

        changed = 0
        with progress(total, self._verb) as advance:
            while True:
                result = change_many(current_site(), self._action, request)
                changed += result.changed
                advance(result.changed)
                if result.next_before_id is None:
                    break
                request.before_id = result.next_before_id
        self._tell(changed)

    def _tell(self, changed: int) -> None:
        click.echo(f"{counted(changed, 'task')} {self._done}")


def _request(ids: Sequence[int], given: dict[str, str | None]) -> BulkRequest:
    """Raises click.UsageError when it is unclear which tasks are meant: then none is touched."""
    from app.queue.bulk import BulkRequest

    filters = read_filters(current_site(), given)
    if ids and filters:
        raise click.UsageError("name the tasks by IDs or by filters, not by both")
    if not ids and not set(filters) - {"before_id"}:
        raise click.UsageError(
            "name the tasks by IDs or by filters, like --status failed; --type % means all of them"
        )
    before_id = filters.pop("before_id", None)
    return BulkRequest(ids or None, filters, AT_ONCE, before_id, actor=current_actor())


def _told(count: Count) -> str:
    return f"{'at least ' if count.is_capped else ''}{counted(count.total, 'task')}"
