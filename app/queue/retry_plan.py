"""What a retry is going to do: which tasks it may retry, and which of them take their key back."""

from __future__ import annotations

from app.errors import Conflict
from app.queue import dedupe
from app.queue.bound_values import BoundValues
from app.queue.task_action import status_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement
    from app.errors import QueueError
    from app.queue.access import Access


def look(
    sql: Dialect, task_ids: Sequence[int], statuses: Sequence[str], access: Access | None
) -> Statement:
    """Finds what is known of those of the tasks that are in one of these statuses: the type, and
    the task that holds the key now which this one gave up.
    """
    visible, own = ("1 = 1", {}) if access is None else access.types("types.name")
    tasks = BoundValues(task_ids)
    return (
        "SELECT t.id, t.type_id, t.former_dedupe_key, h.id AS holder_id, "
        "h.status AS holder_status, types.name AS type, types.archived_at "
        f"FROM tasks AS t {sql.by_primary_key} "
        f"{sql.then_join} task_types AS types {sql.by_primary_key} ON types.id = t.type_id "
        f"LEFT JOIN tasks AS h {sql.by_index('tasks_dedupe')} "
        "ON h.dedupe_key = t.former_dedupe_key AND h.type_id = t.type_id "
        f"WHERE {tasks.is_id_of_one('t.id')} AND {status_in(statuses, 't.status')} AND {visible}",
        {**tasks.values, **own},
    )


class RetryPlan:
    """``rows`` are what ``look`` found. ``takers`` take back the key that they gave up, from the
    ``holders``, which have ended. ``refusals`` are why the others cannot be retried.

    There are never two unfinished tasks of one key: of several, the one that has the key is
    retried, or else the first in ``task_ids``.
    """

    def __init__(self, rows: Sequence[Row], task_ids: Sequence[int]) -> None:
        self.takers: set[int] = set()
        self.holders: set[int] = set()
        self.refusals: dict[int, QueueError] = {}
        self._retried = {row["id"] for row in rows}
        self._keys: set[tuple[int, str]] = set()
        """Each with its type's id."""
        position = {task_id: n for n, task_id in enumerate(task_ids)}
        for row in sorted(rows, key=lambda row: position[row["id"]]):
            if row["archived_at"] is not None:
                self.refusals[row["id"]] = _of_deleted_type(row)
            elif row["former_dedupe_key"] is not None:
                self._take_key(row)

    def keys_taken(self) -> Statement:
        """True of the rows that hold one of the keys that are taken back."""
        values: dict[str, Any] = {}
        arms = []
        for n, (type_id, key) in enumerate(sorted(self._keys)):
            arms.append(f"dedupe_key = :key_{n} AND type_id = :type_id_{n}")
            values.update({f"key_{n}": key, f"type_id_{n}": type_id})
        return " OR ".join(arms), values

    def _take_key(self, row: Row) -> None:
        key = (row["type_id"], row["former_dedupe_key"])
        if key in self._keys or self._holder_is_unfinished(row):
            self.refusals[row["id"]] = _beaten(row)
            return
        self._keys.add(key)
        self.takers.add(row["id"])
        if row["holder_id"] is not None:
            self.holders.add(row["holder_id"])

    def _holder_is_unfinished(self, row: Row) -> bool:
        """Now, or when it has been retried too."""
        return row["holder_status"] in dedupe.UNFINISHED or row["holder_id"] in self._retried


def _of_deleted_type(row: Row) -> QueueError:
    return Conflict(
        f"The type {row['type']!r} of task {row['id']} was deleted: register it again, then retry"
    )


def _beaten(row: Row) -> QueueError:
    return Conflict(
        f"A newer task with the same dedupe key as task {row['id']} has not ended: "
        "leave the work to that one, or cancel it first"
    )
