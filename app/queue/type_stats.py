"""How one type is doing, besides what the statistics have of every type."""

from __future__ import annotations

from app.json_text import loads
from app.queue.lanes import READY
from app.queue.statistics.stats import stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Row
    from app.queue.statistics.stats import Stats
    from app.site import Site

ACTIVE_SECONDS = 120
"""A worker that was seen within this time is active: idle ones are seen each minute."""


class TypeStats:
    """``stats`` are those of the type; ``oldest_seconds`` is the age of its oldest waiting task,
    None without any; ``active_workers`` are how many registered for it and are active.
    """

    def __init__(self, stats: Stats, oldest_seconds: float | None, active_workers: int) -> None:
        self.stats = stats
        self.oldest_seconds = oldest_seconds
        self.active_workers = active_workers


def stats_of_type(site: Site, task_type: Row) -> TypeStats:
    sql = site.db.dialect
    statements = [(_oldest(sql), {"type_id": task_type["id"]}), (_workers(sql), {})]
    oldest, workers = site.db.run(lambda connection: connection.send(statements))
    ages = [float(row["age"]) for row in oldest.rows]
    active = [row for row in workers.rows if task_type["name"] in loads(row["task_types_json"])]
    return TypeStats(stats(site, task_type["name"]), max(ages, default=None), len(active))


def _oldest(sql: Dialect) -> str:
    """The first task of each status that waits: ids are given in the order of creation."""
    first = [
        f"SELECT MIN(id) FROM tasks {sql.by_index('tasks_status')} "
        f"WHERE status = '{status}' AND type_id = :type_id"
        for status in (*READY, "scheduled")
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
