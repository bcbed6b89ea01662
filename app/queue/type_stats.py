"""How many tasks there are in each status, and how one type is doing."""

from __future__ import annotations

from app.json_text import loads
from app.queue.statistics.reading import read
from app.queue.worker_stats import CHANGES, DAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.db.connection import Dialect, Row
    from app.queue.statistics.reading import CountKey
    from app.site import Site

STATUSES = ("pending", "scheduled", "claimed", "completed", "failed", "cancelled")
ACTIVE_SECONDS = 120
"""A worker that was seen within this time is active: idle ones are seen each minute."""


def count_by_status(site: Site) -> dict[str, int]:
    """How many tasks are in each status, as it is stored."""
    return _by_status(read(site).counts)


class TypeStats:
    """``counts`` of tasks by stored status; ``completed`` and ``failed`` within a day, and the mean
    ``run_seconds`` of the completed ones (None without any), as far as the newest changes of the
    history reach; ``oldest_seconds``, the age of the oldest waiting task (None without any);
    ``active_workers``, those that registered for the type.
    """

    def __init__(
        self,
        counts: dict[str, int],
        ended: Row,
        oldest_seconds: float | None,
        active_workers: int,
    ) -> None:
        self.counts = counts
        self.completed = int(ended["completed"] or 0)
        self.failed = int(ended["failed"] or 0)
        mean = ended["run_seconds"]
        self.run_seconds = None if mean is None else float(mean)
        self.oldest_seconds = oldest_seconds
        self.active_workers = active_workers


def stats_of_type(site: Site, task_type: Row) -> TypeStats:
    sql = site.db.dialect
    type_id = task_type["id"]
    values = {"type_id": type_id}
    reading = read(site, [(_ended(sql), values), (_oldest(sql), values), (_workers(sql), {})])
    ended, oldest, workers = reading.results
    counts = {key: total for key, total in reading.counts.items() if key[0] == type_id}
    ages = [float(row["age"]) for row in oldest.rows]
    active = [row for row in workers.rows if task_type["name"] in loads(row["task_types_json"])]
    return TypeStats(_by_status(counts), ended.rows[0], max(ages, default=None), len(active))


def _by_status(counts: Mapping[CountKey, int]) -> dict[str, int]:
    totals = dict.fromkeys(STATUSES, 0)
    for (_, status, _), total in counts.items():
        totals[status] += total
    return totals


def _ended(sql: Dialect) -> str:
    """A history is not kept by type: the newest changes are read, whatever they are of."""
    newest = "(SELECT COALESCE(MAX(id), 0) FROM task_history)"
    completed, failed = "h.status = 'completed'", "h.status = 'failed'"
    return (
        f"SELECT SUM(CASE WHEN {completed} THEN 1 ELSE 0 END) AS completed, "
        f"SUM(CASE WHEN {failed} THEN 1 ELSE 0 END) AS failed, "
        f"AVG(CASE WHEN {completed} THEN h.seconds END) AS run_seconds "
        f"FROM task_history AS h {sql.by_primary_key} "
        f"{sql.then_join} tasks AS t {sql.by_primary_key} ON t.id = h.task_id "
        f"WHERE h.id > {newest} - {CHANGES} AND h.created_at > {sql.after(str(-DAYS * 86400))} "
        f"AND h.status IN ('completed', 'failed') AND t.type_id = :type_id"
    )


def _oldest(sql: Dialect) -> str:
    """The first task of each status that waits: ids are given in the order of creation."""
    first = [
        f"SELECT MIN(id) FROM tasks {sql.by_index('tasks_status')} "
        f"WHERE status = '{status}' AND type_id = :type_id"
        for status in ("pending", "scheduled")
    ]
    return " UNION ALL ".join(
        f"SELECT {sql.seconds_since('created_at')} AS age FROM tasks {sql.by_primary_key} "
        f"WHERE id = ({each})"
        for each in first
    )


def _workers(sql: Dialect) -> str:
    return (
        "SELECT task_types_json FROM workers WHERE task_types_json IS NOT NULL "
        f"AND deregistered_at IS NULL AND last_seen_at > {sql.after(str(-ACTIVE_SECONDS))}"
    )
