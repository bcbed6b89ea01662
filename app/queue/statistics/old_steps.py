"""Removing activity from steps that nobody asks for any more, and error groups without tasks."""

from __future__ import annotations

from functools import partial

from app.queue.statistics.stored import HOUR, MINUTE, QUARTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Statement
    from app.queue.upkeep.turn import Budget
    from app.site import Site

DAY = 24 * HOUR
KEPT = (
    ("task_activity", MINUTE, 3 * HOUR),
    ("task_activity", QUARTER, 3 * DAY),
    ("task_activity", HOUR, 31 * DAY),
    ("worker_activity", QUARTER, 2 * DAY),
)
"""For how many seconds the steps of each length are kept in each table."""

PIECE = 1000
"""Rows that one statement deletes, and those of the same step as the last of them."""

GROUPS_KEPT = DAY
"""For how many seconds after its last failure a group is kept that has no failed tasks now."""


def remove_old_steps(site: Site, budget: Budget) -> bool:
    """Remove what is too old, in pieces that begin while the budget lasts. Whether any is left."""
    for table, step, seconds in KEPT:
        piece = partial(_remove_piece, table=table, step=step, seconds=seconds)
        while site.db.run_once(piece):
            if budget.is_spent:
                return True
    site.db.run_once(lambda connection: connection.send([_remove_groups(connection)]))
    return False


def _remove_piece(connection: Connection, table: str, step: int, seconds: int) -> bool:
    """Whether more is left."""
    old = f"step_seconds = {step} AND started_at < {connection.dialect.after(str(-seconds))}"
    look = f"SELECT started_at FROM {table} WHERE {old} ORDER BY started_at LIMIT 1 OFFSET {PIECE}"
    last = connection.query(look, {})
    if last:
        old = f"step_seconds = {step} AND started_at <= :last"
    values = {"last": last[0]["started_at"] if last else None}
    connection.send([(f"DELETE FROM {table} WHERE {old}", values)])
    return bool(last)


def _remove_groups(connection: Connection) -> Statement:
    sql = connection.dialect
    return (
        f"DELETE FROM error_groups WHERE last_at < {sql.after(str(-GROUPS_KEPT))} "
        "AND NOT EXISTS (SELECT 1 FROM task_counts WHERE task_counts.status = 'failed' "
        "AND task_counts.type_id = error_groups.type_id "
        "AND task_counts.error_group = error_groups.error_group)",
        {},
    )
