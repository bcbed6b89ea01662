"""Schedules that are due: the duty that sees to them, and when it comes next."""

from __future__ import annotations

from app.queue import upkeep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.upkeep.turn import Budget
    from app.site import Site

DUTY = "schedules"
SCHEDULES_AT_ONCE = 50


def make_due_tasks(site: Site, budget: Budget) -> bool:
    """Make the tasks whose time has come; whether more are due. The next turn comes when the next
    schedule is due. Raises a DatabaseError.
    """
    due = site.db.run(_due_schedules)
    if due:
        from app.queue.schedules.making import make_tasks  # loaded when needed

        for row in due:
            if budget.is_spent:
                return True
            make_tasks(site, row)
    return site.db.run(_bring_next_turn_forward)


def _due_schedules(connection: Connection) -> list[Row]:
    sql = connection.dialect
    return connection.query(
        f"SELECT schedules.*, {sql.now} AS now FROM schedules {sql.by_index('schedules_next')} "
        f"WHERE next_at <= {sql.now} ORDER BY next_at LIMIT {SCHEDULES_AT_ONCE}",
        {},
    )


def _bring_next_turn_forward(connection: Connection) -> bool:
    """Let the next turn come when the next schedule is due. Whether one is due now."""
    sql = connection.dialect
    rows = connection.query(
        f"SELECT next_at, next_at <= {sql.now} AS is_due FROM schedules "
        f"WHERE next_at <= {sql.after(str(upkeep.TURN_SECONDS))} ORDER BY next_at LIMIT 1",
        {},
    )
    if not rows:
        return False
    connection.send([hurry(sql, rows[0]["next_at"])])
    return bool(rows[0]["is_due"])


def hurry(sql: Dialect, next_at: str) -> Statement:
    """Let the next turn see to schedules at this stored time, if it would come later."""
    return (
        "UPDATE settings SET value = :next WHERE name IN (:turn, :duty) AND value > :next",
        {"next": next_at, "turn": upkeep.NEXT_TURN, "duty": upkeep.due_at(DUTY)},
    )
