"""What became of each time of a schedule: a row each, of which the newest are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.queue.dedupe import UNFINISHED

if TYPE_CHECKING:
    from app.db.connection import Connection, Dialect, Row, Statement
    from app.site import Site

MESSAGE_CHARACTERS = 500

FORGOTTEN_AT_ONCE = 500
"""How many old rows of a schedule go when it gets a new one: only after an upgrade there are more
than one."""

_IS_UNFINISHED = f"tasks.status IN ({', '.join(repr(each) for each in UNFINISHED)})"


class RunRecord:
    """``due_at`` is SQL for the time, ``task_id`` the task that was made; ``message`` says why none
    was.
    """

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


def unfinished(connection: Connection, schedule_id: int) -> list[Row]:
    """The newest of its tasks that has not ended."""
    return connection.query(
        "SELECT tasks.id FROM schedule_runs JOIN tasks ON tasks.id = schedule_runs.task_id "
        f"WHERE schedule_runs.schedule_id = :id AND {_IS_UNFINISHED} "
        "ORDER BY schedule_runs.due_at DESC LIMIT 1",
        {"id": schedule_id},
    )


def forget_old(site: Site, schedule_id: int) -> None:
    """Delete all but the newest ``RETAIN_SCHEDULE_RUNS``. One whose task has not ended stays: that
    task may be what the next time is left out for.
    """
    site.db.run(lambda connection: _forget_old(site, connection, schedule_id))


def _forget_old(site: Site, connection: Connection, schedule_id: int) -> None:
    values = {"id": schedule_id}
    newest = (
        "SELECT due_at FROM schedule_runs WHERE schedule_id = :id ORDER BY due_at DESC "
        f"LIMIT 1 OFFSET {site.settings.retain_schedule_runs}"
    )
    found = connection.query(newest, values)
    if not found:
        return
    sql = connection.dialect
    is_old = f"schedule_id = :id AND due_at <= {sql.timestamp(':last')}"
    oldest = f"SELECT due_at FROM schedule_runs WHERE {is_old} ORDER BY due_at"
    values["last"] = found[0]["due_at"]
    old = connection.query(f"{oldest} LIMIT {FORGOTTEN_AT_ONCE}", values)
    delete = (
        f"DELETE FROM schedule_runs WHERE {is_old} AND NOT EXISTS (SELECT 1 FROM tasks "
        f"WHERE tasks.id = schedule_runs.task_id AND {_IS_UNFINISHED})"
    )
    connection.send([(delete, {**values, "last": old[-1]["due_at"]})])
