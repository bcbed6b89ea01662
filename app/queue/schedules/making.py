"""Making the tasks of schedules that are due.

Several may notice at once that one is due: each time of a schedule is a dedupe key of its own, so
that its task is made once, whatever is cut off, repeated or raced for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.errors import CallError
from app.queue import audit
from app.queue.create import create
from app.queue.schedules.due_times import DueTimes
from app.queue.schedules.runs import RunRecord, forget_old, unfinished
from app.queue.schedules.store import task_of
from app.queue.schedules.times import from_stored, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.db.connection import Connection, Row
    from app.queue.audit import Actor
    from app.queue.new_task import NewTask
    from app.site import Site


def make_tasks(site: Site, row: Row) -> None:
    """Make the tasks of one schedule that is due, and go on to its next time.

    Raises a DatabaseError; what was not done by then is left to the next caller.
    """
    due = DueTimes(row)
    runs = _runs(site, row, due)
    site.db.run(lambda connection: _finish(connection, row, due, runs))
    forget_old(site, row["id"])


def run_now(site: Site, row: Row, actor: Actor | None = None) -> int:
    """Make a task besides those of its times; its id. Raises UnknownType, Invalid."""
    task = task_of(row)
    task_id = create(site, [task])[0].id
    while not site.db.run(lambda connection: _note_run(connection, row, task_id, actor)):
        pass  # somebody else's run has taken this very millisecond
    return task_id


def _note_run(connection: Connection, row: Row, task_id: int, actor: Actor | None) -> bool:
    """Note a task that was made by hand under a time that no other run has. False if another has
    taken that time meanwhile.
    """
    sql = connection.dialect
    own = f"schedule_id = {int(row['id'])}"
    latest = f"SELECT {sql.now} AS now, MAX(due_at) AS due_at FROM schedule_runs WHERE {own}"
    found = connection.query(latest, {})[0]
    moment = from_stored(found["now"])
    if found["due_at"] is not None:
        moment = max(moment, from_stored(found["due_at"]) + timedelta(milliseconds=1))
    run = _run(moment, task_id, "run by hand")
    noted = audit.record(sql, actor, "schedule.run", row["name"], task_id=task_id)
    look = f"SELECT task_id FROM schedule_runs WHERE {own} AND due_at = '{stored(moment)}'"
    statements = [run.noted(sql, row["id"]), (look, {}), *noted]
    rows = connection.begin(statements)[1].rows
    if rows and rows[0]["task_id"] == task_id:
        connection.commit([])
        return True
    connection.rollback()
    return False


def _runs(site: Site, row: Row, due: DueTimes) -> list[RunRecord]:
    if row["skips_unfinished"]:
        earlier = site.db.run(lambda connection: unfinished(connection, row["id"]))
        if earlier:
            message = f"left out: task {earlier[0]['id']} of the time before is unfinished"
            return [_run(due.last, None, message)]
    runs = [_run(due.last, None, due.left_out)] if due.left_out and not due.made else []
    try:
        created = create(site, [_task_at(row, time) for time in due.made]) if due.made else []
    except CallError as error:  # its type may have got another schema since, or be gone
        return [_run(due.last, None, f"could not be made: {error}")]
    return runs + [_run(time, each.id, due.left_out) for time, each in zip(due.made, created)]


def _run(due: datetime, task_id: int | None, message: str) -> RunRecord:
    return RunRecord(f"'{stored(due)}'", task_id, message)


def _task_at(row: Row, time: datetime) -> NewTask:
    task = task_of(row)
    task.dedupe, task.dedupe_key = "forever", f"schedule:{row['id']}:{stored(time)}"
    return task


def _finish(connection: Connection, row: Row, due: DueTimes, runs: Sequence[RunRecord]) -> None:
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
