"""A turn of upkeep: one caller of the site wins it, then runs the duties that are due.

The claim has its result by then. A turn never fails it, does not wait for anybody's lock, and is
bounded in time. Two turns at once do no harm: duties work in transactions of their own, and each
change there says which rows it still finds fit.
"""

from __future__ import annotations

import time

from app.db.connection import text_list
from app.error_log import log, log_trace
from app.errors import DatabaseError, TryAgain
from app.queue import upkeep
from app.queue.site_times import add_time, set_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.db.connection import Connection, Dialect, Statement
    from app.site import Site

    Work = Callable[[Site, "Budget"], bool]

BUDGET_SECONDS = 0.25
"""How long the duties of a turn may go on beginning pieces of work."""

LEAST_SECONDS_LEFT = 2.0
"""A call that has less time left leaves the turn to another."""


class Budget:
    """Until when work may begin. ``None`` for ``seconds`` sets no bound."""

    def __init__(self, seconds: float | None) -> None:
        self._ends_at = float("inf") if seconds is None else time.monotonic() + seconds

    @property
    def is_spent(self) -> bool:
        return time.monotonic() >= self._ends_at

    def share(self, parts: int) -> Budget:
        """A budget of one part of what is left, where so many share it."""
        left = self._ends_at - time.monotonic()
        return Budget(None if left == float("inf") else max(0.0, left / parts))


class Duty:
    """One kind of upkeep. ``run`` does pieces of it, each bounded and in a transaction of its own,
    until nothing is left or the budget is spent, and returns whether anything is left. It runs at
    most once in ``seconds``.
    """

    def __init__(self, name: str, seconds: float, run: Work) -> None:
        self.due_at = upkeep.due_at(name)
        """The row of ``settings`` that holds when it is due next."""
        self.name = name
        self.seconds = seconds
        self.run = run


def _make_scheduled_tasks(site: Site, budget: Budget) -> bool:
    from app.queue.upkeep.schedules import make_due_tasks

    return make_due_tasks(site, budget)


def _roll_up_history(site: Site, budget: Budget) -> bool:
    from app.queue.statistics.roll_up import roll_up

    return roll_up(site, budget)


def _remove_old_statistics(site: Site, budget: Budget) -> bool:
    from app.queue.statistics.old_steps import remove_old_steps

    return remove_old_steps(site, budget)


def _prune(site: Site, budget: Budget) -> bool:
    from app.queue.upkeep.prune import prune

    return prune(site, budget)


def _remove_orphans(site: Site, budget: Budget) -> bool:
    from app.queue.upkeep.orphans import remove_orphans

    return remove_orphans(site, budget)


def _see_to_limits(site: Site, budget: Budget) -> bool:
    from app.queue.upkeep.idle_lanes import check_idle_lanes
    from app.queue.upkeep.limit_changes import finish_changes

    def is_over() -> bool:
        return budget.is_spent

    is_more_left = finish_changes(site, is_over)
    check_idle_lanes(site, is_over)
    return is_more_left


DUTIES: tuple[Duty, ...] = (
    # First: a worker may be waiting for the tasks.
    Duty("schedules", upkeep.TURN_SECONDS, _make_scheduled_tasks),
    Duty(upkeep.LIMITS_DUTY, 60, _see_to_limits),
    Duty("statistics", upkeep.TURN_SECONDS, _roll_up_history),
    Duty("old_statistics", 600, _remove_old_statistics),
    Duty("prune", 60, _prune),
    Duty("orphans", 600, _remove_orphans),
)
"""In the order in which they run."""


def take_turn(site: Site) -> bool:
    """Run the duties that are due, unless another caller does; whether it ran any. Never raises an
    Exception.
    """
    if site.db.seconds_left() < LEAST_SECONDS_LEFT:
        return False
    try:
        due = site.db.run_once(_win)
    except Exception as error:
        _tell(error, "the turn")
        return False
    run_duties(site, due, Budget(BUDGET_SECONDS))
    return bool(due)


def run_duties(site: Site, duties: Sequence[Duty], budget: Budget) -> bool:
    """Run these duties, due or not, and log what goes wrong. Whether anything is left."""
    is_more_left = False
    for position, duty in enumerate(duties):
        try:
            share = budget.share(len(duties) - position)
            is_more_left = duty.run(site, share) or is_more_left
        except Exception as error:
            _tell(error, duty.name)
            is_more_left = True
    return is_more_left


def _win(connection: Connection) -> list[Duty]:
    """The duties to run: none where another caller has won the turn."""
    sql = connection.dialect
    turn = f"SELECT {sql.seconds_since('value')} AS overdue FROM settings WHERE name = :name"
    name = {"name": upkeep.NEXT_TURN}
    locked, duties = connection.begin(
        [(f"{turn} {connection.lock_what_is_free}", name), _look_at_duties(sql)]
    )
    if not locked.rows:
        connection.rollback()
        if not connection.query(turn, name):  # nobody has ever taken a turn: the next claim does
            connection.send([add_time(sql, upkeep.NEXT_TURN)])
        return []
    if not upkeep.is_due(locked.rows[0]["overdue"]):
        connection.rollback()
        return []
    overdue = {row["name"]: row["overdue"] for row in duties.rows}
    due = [each for each in DUTIES if _is_due(each, overdue.get(each.due_at))]
    times = [set_time(sql, upkeep.NEXT_TURN, upkeep.TURN_SECONDS)]
    for duty in due:
        store = set_time if duty.due_at in overdue else add_time
        times.append(store(sql, duty.due_at, duty.seconds))
    connection.commit(times)
    return due


def _look_at_duties(sql: Dialect) -> Statement:
    listed, values = text_list("duty", [each.due_at for each in DUTIES])
    overdue = sql.seconds_since("value")
    return f"SELECT name, {overdue} AS overdue FROM settings WHERE name IN ({listed})", values


def _is_due(duty: Duty, seconds: float | None) -> bool:
    """As for a turn: a time further ahead than it is ever set is from another clock."""
    return seconds is None or seconds >= 0 or seconds < -2 * duty.seconds


def _tell(error: Exception, what: str) -> None:
    if isinstance(error, TryAgain):  # somebody held a lock: the next turn does what was left
        return
    if isinstance(error, DatabaseError):
        log(f"upkeep, {what}: {error}")
    else:
        log_trace(error)
