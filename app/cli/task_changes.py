"""``flask tasks retry``, ``cancel`` and ``delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.commands import command, current_actor, current_site
from app.errors import QueueError
from app.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from app.queue.audit import Actor
    from app.site import Site

    class Change(Protocol):
        """A function of the queue that changes one task."""

        def __call__(self, site: Site, task_id: int, *, actor: Actor | None = None) -> object: ...


task_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True, type=int)


@command("retry")
@task_ids
def retry_tasks(ids: Sequence[int]) -> None:
    """Make failed, cancelled or waiting tasks pending now."""
    from app.queue.retry import retry

    _change_each(retry, ids, "retried")


@command("cancel")
@task_ids
def cancel_tasks(ids: Sequence[int]) -> None:
    """Cancel waiting tasks; ask the workers of claimed ones to stop."""
    from app.queue.cancel import cancel

    _change_each(cancel, ids, "cancelled")


@command("delete")
@task_ids
def delete_tasks(ids: Sequence[int]) -> None:
    """Delete tasks with their history."""
    from app.queue.delete import delete

    _change_each(delete, ids, "deleted")


def _change_each(change: Change, ids: Sequence[int], done: str) -> None:
    """Each task by itself; those for which it is refused are told, and the others are done."""
    site, actor = current_site(), current_actor()
    refused = 0
    for task_id in ids:
        try:
            change(site, task_id, actor=actor)
        except QueueError as error:
            refused += 1
            click.echo(f"Error: {error.message}", err=True)
    click.echo(f"{counted(len(ids) - refused, 'task')} {done}")
    if refused:
        raise SystemExit(1)
