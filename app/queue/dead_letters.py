"""Dead letters, the failed tasks: many at once are retried or deleted, a bounded number a call.

The oldest come first. Whoever has more of them calls again.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import UnknownType
from app.queue import audit, task_types
from app.queue.bulk import BATCH, SHARE_OF_TIME
from app.queue.created_range import IdRange, narrowed
from app.queue.delete import DELETE
from app.queue.retry import RETRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.queue.task_action import ActionResult, TaskAction
    from app.site import Site

DEAD = ("failed",)


class DeadLetters:
    """Which failed tasks are meant: those of one ``type``, those ``created_before`` a stored time,
    or all; at most ``limit``, and only those that ``access`` shows.
    """

    def __init__(
        self,
        limit: int,
        type: str | None = None,
        created_before: str | None = None,
        access: Access | None = None,
    ) -> None:
        self.limit = limit
        self.access = access
        self.type = type
        self.created_before = created_before


class ChangedLetters:
    """The ids of the tasks that were ``changed``; ``has_more`` where the limit or the time ended
    the call before the dead letters did.
    """

    def __init__(self, changed: list[int], has_more: bool) -> None:
        self.changed = changed
        self.has_more = has_more


def retry_dead_letters(
    site: Site, meant: DeadLetters, actor: Actor | None = None
) -> ChangedLetters:
    """Make them pending, as ``retry`` does. One whose work a newer task with its dedupe key does
    stays as it is.
    """
    result = _change_all(site, meant, RETRY)
    return _noted(site, result, "tasks.retry", meant.type, actor)


def retry_these(
    site: Site,
    task_ids: Sequence[int],
    access: Access | None = None,
    actor: Actor | None = None,
) -> ChangedLetters:
    """The same for those of these tasks that are dead letters."""
    found = _failed_among(site, task_ids, access)
    result = _change_each(site, found, RETRY)
    return _noted(site, result, "tasks.retry", None, actor)


def purge_dead_letters(
    site: Site, meant: DeadLetters, actor: Actor | None = None
) -> ChangedLetters:
    """Delete them with their history."""
    result = _change_all(site, meant, DELETE)
    return _noted(site, result, "tasks.delete", meant.type, actor)


def _noted(
    site: Site, result: ChangedLetters, action: str, type: str | None, actor: Actor | None
) -> ChangedLetters:
    """The same result, with a line in the audit log if anything was changed."""
    if result.changed:
        audit.write(site, actor, action, type, count=len(result.changed))
    return result


def _change_all(site: Site, meant: DeadLetters, action: TaskAction) -> ChangedLetters:
    found = _oldest(site, meant)
    result = _change_each(site, found[: meant.limit], action)
    result.has_more = result.has_more or len(found) > meant.limit
    return result


def _change_each(site: Site, task_ids: Sequence[int], action: TaskAction) -> ChangedLetters:
    """Those that another call has changed meanwhile are left out."""
    keep = site.db.seconds_left() * (1 - SHARE_OF_TIME)
    changed: list[int] = []
    for start in range(0, len(task_ids), BATCH):
        if site.db.seconds_left() < keep:
            return ChangedLetters(changed, True)
        changed += sorted(_change(site, task_ids[start : start + BATCH], action).changed)
    return ChangedLetters(changed, False)


def _change(site: Site, task_ids: Sequence[int], action: TaskAction) -> ActionResult:
    return site.db.run(
        lambda connection: action.change(connection, site, task_ids, DEAD, None), repeatable=False
    )


def _failed_among(site: Site, task_ids: Sequence[int], access: Access | None) -> list[int]:
    sql = site.db.dialect
    visible, own = ("", {}) if access is None else access.tasks()
    look = (
        f"SELECT id FROM tasks {sql.by_primary_key} WHERE id IN ({id_list(task_ids)}) "
        f"AND status = 'failed'{visible} ORDER BY id"
    )
    rows = site.db.run(lambda connection: connection.query(look, own))
    return [row["id"] for row in rows]


def _oldest(site: Site, meant: DeadLetters) -> list[int]:
    """The ids of the oldest dead letters, one more than the limit if there are so many."""
    type_id = None
    if meant.type is not None:
        try:
            type_id = task_types.get(site, meant.type, meant.access)["id"]
        except UnknownType:
            return []
    return site.db.run(lambda connection: _look(connection, meant, type_id))


def _look(connection: Connection, meant: DeadLetters, type_id: int | None) -> list[int]:
    sql = connection.dialect
    visible, own = ("", {}) if meant.access is None else meant.access.tasks()
    index = "tasks_created" if type_id is None else "tasks_status"
    ids = _ids(connection, meant)
    conditions = ["status = 'failed'", f"id >= {ids.first}", f"id < {ids.end}"]
    if type_id is not None:
        conditions.append("type_id = :type_id")
    if meant.created_before is not None:
        conditions.append(f"created_at < {sql.timestamp(':created_before')}")
    look = (
        f"SELECT id FROM tasks {sql.by_index(index)} WHERE {' AND '.join(conditions)}{visible} "
        f"ORDER BY id LIMIT {meant.limit + 1}"
    )
    values = {"type_id": type_id, "created_before": meant.created_before, **own}
    return [row["id"] for row in connection.query(look, values)]


def _ids(connection: Connection, meant: DeadLetters) -> IdRange:
    """The ids among which all of them are."""
    lowest, highest = "(SELECT MIN(id) FROM tasks)", "(SELECT MAX(id) FROM tasks)"
    (row,) = connection.query(f"SELECT {lowest} AS lowest, {highest} AS highest", {})
    if row["lowest"] is None:
        return IdRange(0, 0)
    there = IdRange(row["lowest"], row["highest"] + 1)
    if meant.created_before is None:
        return there
    return narrowed(
        there,
        lambda text: connection.query(text, {}),
        connection.dialect.by_primary_key,
        None,
        meant.created_before,
    )
