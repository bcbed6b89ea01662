"""Which workers there are: a sign of life rides along with what they call anyway.

Every call of a worker could note that it lives. That would make each claim write one row more,
so a sign of life is written down only now and then: a claim asks in a packet that it sends anyway
how old the last one is, and adds a new one to another packet when that is due.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Statement

BUSY_SECONDS = 10
"""How old the last sign of life of a worker may get that changes tasks, and so writes anyway."""

IDLE_SECONDS = 60
"""The same for one that asks for tasks and gets none: then it is a write of its own."""


def last_sign(sql: Dialect, worker_id: str) -> Statement:
    """Finds how many seconds ago (``age``) a worker was seen, if it is known and has not left."""
    return (
        f"SELECT {sql.seconds_since('last_seen_at')} AS age FROM workers "
        "WHERE id = :worker AND deregistered_at IS NULL",
        {"worker": worker_id},
    )


def arrival(sql: Dialect, worker_id: str) -> list[Statement]:
    """Note that the worker lives, whether or not anybody has heard of it before."""
    values = {"worker": worker_id}
    return [
        make_known(sql, worker_id),
        (
            f"UPDATE workers SET last_seen_at = {sql.now}, deregistered_at = NULL "
            "WHERE id = :worker",
            values,
        ),
    ]


def make_known(sql: Dialect, worker_id: str) -> Statement:
    """A row for a worker that has none. Two of its calls may come at once and find none: what the
    one wrote into the new row, the other leaves there. It comes after all changes of tasks:
    everybody then locks in the same order.
    """
    return (
        "INSERT INTO workers (id, first_seen_at, last_seen_at) "
        f"SELECT :worker, {sql.now}, {sql.now} FROM (SELECT 1 AS one) AS once "
        "WHERE NOT EXISTS (SELECT 1 FROM workers WHERE id = :worker) "
        + sql.unless_there("workers.id"),
        {"worker": worker_id},
    )


def sign_of_life(sql: Dialect, worker_id: str) -> Statement:
    """Note that a known worker lives, when that is due."""
    return (
        f"UPDATE workers SET last_seen_at = {sql.now} "
        f"WHERE id = :worker AND last_seen_at < {sql.after(str(-BUSY_SECONDS))}",
        {"worker": worker_id},
    )
