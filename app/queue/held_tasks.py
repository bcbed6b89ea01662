"""What workers hold now. Read among all claimed tasks, which are as many as run at once: no index
by worker and status is kept for it, since every settle would have to write that.
"""

from __future__ import annotations

from app.db.connection import text_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Statement

MOST_SHOWN = 1000
"""How many held tasks are listed. Beyond that only their number is given."""


def held_counts(sql: Dialect) -> Statement:
    """Finds how many tasks each worker holds (``claimed_by``, ``held``), and the longest of their
    leases.
    """
    return (
        "SELECT claimed_by, COUNT(*) AS held, MAX(lease) AS lease FROM tasks "
        f"{sql.by_index('tasks_claim')} WHERE status = 'claimed' GROUP BY claimed_by",
        {},
    )


def held_tasks(sql: Dialect, worker_ids: Sequence[str]) -> Statement:
    """Finds the tasks that these workers hold, each with the name of its ``type``."""
    workers, values = text_list("holder", worker_ids)
    return (
        "SELECT tasks.id, task_types.name AS type, tasks.claimed_by, tasks.claimed_at, "
        f"{sql.seconds_since('tasks.claimed_at')} AS seconds, tasks.due_at, tasks.attempts, "
        f"tasks.progress FROM tasks {sql.by_index('tasks_claim')} {sql.then_join} task_types "
        f"{sql.by_primary_key} ON task_types.id = tasks.type_id "
        f"WHERE tasks.status = 'claimed' AND tasks.claimed_by IN ({workers}) LIMIT {MOST_SHOWN}",
        values,
    )


def silent_holders(sql: Dialect, most: int) -> Statement:
    """Finds workers that hold tasks and were not seen for longer than they may be silent: five
    minutes, or half of their longest lease, since some renew their leases that seldom. The one
    that has been silent for the longest comes first.
    """
    counts, _ = held_counts(sql)
    age = sql.seconds_since("workers.last_seen_at")
    return (
        f"SELECT workers.id AS worker_id, h.held AS held, {age} AS silent_seconds "
        f"FROM ({counts}) AS h {sql.then_join} workers ON workers.id = h.claimed_by "
        f"WHERE {age} > 300 AND {age} > h.lease / 2 ORDER BY silent_seconds DESC LIMIT {int(most)}",
        {},
    )
