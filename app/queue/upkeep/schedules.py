"""Making the tasks of schedules that are due.

Whoever notices first makes them, and several may notice at once: each time of a schedule is a
dedupe key of its own, so that its task is made once, whatever is cut off, repeated or raced for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import CallError
from app.queue import upkeep
from app.queue.create import create
from app.queue.dedupe import UNFINISHED
from app.queue.schedules.due_times import DueTimes
from app.queue.schedules.store import stored, task_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.new_task import NewTask
    from app.queue.upkeep.turn import Budget
    from app.site import Site

DUTY = "schedules"
SCHEDULES_AT_ONCE = 50
MESSAGE_CHARACTERS = 500


def make_due_tasks(site: Site, budget: Budget) -> bool:
    """Make the tasks whose time has come; whether more are due. The next turn comes when the next
    schedule is due. Raises a DatabaseError.
    """
    for row in site.db.run(_due_schedules):
        if budget.is_spent:
            return True
        _make(site, row)
    return site.db.run(_bring_next_turn_forward)


def run_now(site: Site, row: Row) -> int:
    """Make a task besides those of its times; its id. Raises UnknownType, Invalid."""
    task = task_of(row)
    task_id = create(site, [task])[0].id
    sql = site.db.dialect
    run = _Run(sql.now, task_id, "run by hand")
    site.db.run(lambda connection: connection.transact([run.noted(sql, row["id"])]))
    return task_id


def hurry(sql: Dialect, next_at: str) -> Statement:
    """Let the next turn see to schedules at this stored time, if it would come later."""
    return (
        "UPDATE settings SET value = :next WHERE name IN (:turn, :duty) AND value > :next",
        {"next": next_at, "turn": upkeep.NEXT_TURN, "duty": upkeep.due_at(DUTY)},
    )


class _Run:
    """What became of a time: SQL for it, the task that was made, and why none was."""

    def __init__(self, due_at: str, task_id: int | None, message: str | None) -> None:
        self.due_at = due_at
        self.task_id = task_id
        self.message = message[:MESSAGE_CHARACTERS] if message else None

    def noted(self, sql: Dialect, schedule_id: int) -> Statement:
        return (
            "INSERT INTO schedule_runs (schedule_id, due_at, made_at, task_id, message) "
            f"VALUES ({int(schedule_id)}, {self.due_at}, {sql.now}, :task_id, :message) "
            + sql.unless_there("schedule_runs.schedule_id", "schedule_runs.due_at"),
            {"task_id": self.task_id, "message": self.message},
        )


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


def _make(site: Site, row: Row) -> None:
    due = DueTimes(row)
    runs = _runs(site, row, due)
    site.db.run(lambda connection: _finish(connection, row, due, runs))


def _runs(site: Site, row: Row, due: DueTimes) -> list[_Run]:
    unfinished = site.db.run(lambda connection: _unfinished(connection, row))
    if unfinished:
        message = f"left out: task {unfinished[0]['id']} of the time before is unfinished"
        return [_run(due.last, None, message)]
    runs = [_run(due.last, None, due.left_out)] if due.left_out and not due.made else []
    try:
        created = create(site, [_task_at(row, time) for time in due.made]) if due.made else []
    except CallError as error:  # its type may have got another schema since, or be gone
        return [_run(due.last, None, f"could not be made: {error}")]
    return runs + [_run(time, each.id, due.left_out) for time, each in zip(due.made, created)]


def _run(due: datetime, task_id: int | None, message: str) -> _Run:
    return _Run(f"'{stored(due)}'", task_id, message)


def _task_at(row: Row, time: datetime) -> NewTask:
    task = task_of(row)
    task.dedupe, task.dedupe_key = "forever", f"schedule:{row['id']}:{stored(time)}"
    return task


def _unfinished(connection: Connection, row: Row) -> list[Row]:
    """The task of its last time, if that has not ended and no other may run beside it."""
    if not row["skips_unfinished"]:
        return []
    statuses = ", ".join(f"'{each}'" for each in UNFINISHED)
    return connection.query(
        "SELECT tasks.id FROM schedule_runs JOIN tasks ON tasks.id = schedule_runs.task_id "
        f"WHERE schedule_runs.schedule_id = :id AND tasks.status IN ({statuses}) "
        "ORDER BY schedule_runs.due_at DESC LIMIT 1",
        {"id": row["id"]},
    )


def _finish(connection: Connection, row: Row, due: DueTimes, runs: Sequence[_Run]) -> None:
    """Note what was done and go on to the next time, unless another has done so, or the schedule
    was changed meanwhile.
    """
    sql = connection.dialect
    update = (
        "UPDATE schedules SET next_at = :next "
        f"WHERE id = :id AND next_at = {sql.timestamp(':first')} AND updated_at = "
        f"{sql.timestamp(':updated')}",
        {
            "next": stored(due.next) if due.next else None,
            "id": row["id"],
            "first": row["next_at"],
            "updated": row["updated_at"],
        },
    )
    connection.transact([*(run.noted(sql, row["id"]) for run in runs), update])
