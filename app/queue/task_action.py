"""What people do to tasks, whether to one or to many: cancel, retry, delete."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.db.connection import Connection, Row
    from app.errors import QueueError
    from app.queue.access import Access
    from app.site import Site

    Change = Callable[
        [Connection, Site, Sequence[int], Sequence[str], Access | None], "ActionResult"
    ]


class ActionResult:
    """What became of a few tasks: the ids of those that were ``changed``, and why each of the
    others was not.
    """

    def __init__(self, changed: set[int], refusals: Mapping[int, QueueError]) -> None:
        self.changed = changed
        self.refusals = refusals


class TaskAction:
    """``name`` is what the audit log calls it. ``statuses`` are the stored ones in which a task can
    be changed, and ``conditions`` what must hold besides, as SQL about ``t``. ``change`` changes a
    few tasks in one transaction, as far as each is in one of the statuses that it is given.

    ``scanned`` are the statuses whose tasks are looked through, None for those of all; then
    ``left_out`` are the others, where that is all that ``conditions`` say.
    """

    def __init__(
        self,
        name: str,
        statuses: Sequence[str],
        change: Change,
        conditions: Sequence[str] = (),
        scanned: Sequence[str] | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.statuses = statuses
        self.change = change
        self.conditions = conditions
        self.scanned = scanned
        self.left_out = left_out


def status_in(statuses: Sequence[str], column: str = "status") -> str:
    """SQL that is true of tasks in one of these statuses."""
    listed = ", ".join(f"'{each}'" for each in statuses)
    return f"{column} IN ({listed})" if statuses else "1 = 0"


def result_of(
    task_ids: Sequence[int],
    rows: Mapping[int, Row],
    change_id: int,
    refusal: Callable[[int, Row | None], QueueError],
) -> ActionResult:
    """What an UPDATE did that marked the tasks it changed; ``rows`` are the tasks as it left them,
    and ``refusal`` says why one could not be changed.
    """
    changed = {row["id"] for row in rows.values() if row["change_id"] == change_id}
    refusals = {each: refusal(each, rows.get(each)) for each in task_ids if each not in changed}
    return ActionResult(changed, refusals)
