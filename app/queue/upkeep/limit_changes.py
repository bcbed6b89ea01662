"""Other limits of a type: its waiting tasks are put in order for them.

Meanwhile the type is paused, so that nothing runs beyond the new limits, however many tasks wait.
The call that changes the limits does it as far as its time goes, and turns of upkeep the rest.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import lanes
from app.queue.lanes import READY, READY_SLOT, READY_STATUS
from app.queue.task_action import status_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.db.connection import Connection, Dialect, Statement
    from app.site import Site

    IsOver = Callable[[], bool]

TASKS_AT_ONCE = 500


def finish_changes(site: Site, is_over: IsOver) -> bool:
    """Go on with types whose limits were changed, as long as there is time. Whether any is left."""
    look = "SELECT id FROM task_types WHERE limits_mark IS NOT NULL ORDER BY id"
    types = site.db.run(lambda connection: connection.query(look, {}))
    are_done = [put_in_order(site, row["id"], is_over) for row in types]
    return not all(are_done)


def put_in_order(site: Site, type_id: int, is_over: IsOver) -> bool:
    """Put the waiting tasks of a type in order whose limits were changed; whether that is done."""
    while True:
        mark = _mark(site, type_id)
        if mark is None:
            return True
        for status in READY:
            if not _sort_all(site, type_id, status, is_over):
                return False
        _end(site, type_id, mark)


def put_tasks_in_order(connection: Connection, task_ids: Sequence[int]) -> None:
    """The same for some tasks: they were made while the limits of their type changed."""
    connection.transact(_sort(connection.dialect, task_ids))


def _mark(site: Site, type_id: int) -> int | None:
    """That of the change of limits that is under way."""
    look = "SELECT limits_mark FROM task_types WHERE id = :id AND limits_mark IS NOT NULL"
    rows = site.db.run(lambda connection: connection.query(look, {"id": type_id}))
    return rows[0]["limits_mark"] if rows else None


def _sort_all(site: Site, type_id: int, status: str, is_over: IsOver) -> bool:
    """Whether the tasks of this status are all as the limits want them."""
    last = 0
    while True:
        task_ids = _sort_some(site, type_id, status, last)
        if not task_ids:
            return True
        last = task_ids[-1]
        if is_over():
            return False


def _sort_some(site: Site, type_id: int, status: str, last: int) -> list[int]:
    """Those behind the ``last`` that are not as the limits want them."""
    sql = site.db.dialect
    look = (
        f"SELECT id FROM tasks {sql.by_index('tasks_status')} WHERE status = '{status}' "
        f"AND type_id = :type_id AND id > :last AND {READY_STATUS} <> '{status}' "
        f"ORDER BY id LIMIT {TASKS_AT_ONCE}"
    )
    values = {"type_id": type_id, "last": last}
    found = site.db.run(lambda connection: connection.query(look, values))
    task_ids = [row["id"] for row in found]
    if task_ids:
        site.db.run(lambda connection: connection.transact(_sort(sql, task_ids)))
    return task_ids


def _sort(sql: Dialect, task_ids: Sequence[int]) -> list[Statement]:
    """Tasks that have to wait from the beginning again keep their place: they go by priority and
    age.
    """
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET key_slot = {READY_SLOT}, status = {READY_STATUS} "
        f"WHERE id IN ({id_list(task_ids)}) AND {status_in(READY)}"
    )
    return [(update, {}), lanes.make_due(sql, task_ids)]


def _end(site: Site, type_id: int, mark: int) -> None:
    """Let the type go on, unless its limits were changed once more."""
    sql = site.db.dialect
    # Limits that were raised let more through: all keys that hold tasks back are looked at.
    all_due: Statement = (
        f"UPDATE lanes SET due_at = {sql.now} WHERE type_id = :id",
        {"id": type_id},
    )
    go_on: Statement = (
        "UPDATE task_types SET is_paused = COALESCE(is_paused_after, 0), "
        "is_paused_after = NULL, limits_mark = NULL WHERE id = :id AND limits_mark = :mark",
        {"id": type_id, "mark": mark},
    )
    statements = [all_due, lanes.make_lane_due(sql, type_id, lanes.OF_RATE), go_on]
    site.db.run(lambda connection: connection.transact(statements))
