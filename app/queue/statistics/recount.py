"""Counting all tasks: where the counts begin, and how they are put right."""

from __future__ import annotations

import time

from app.errors import TryAgain
from app.queue.lanes import told_status
from app.queue.statistics import marks
from app.queue.statistics.changes import CountChange, changes_between
from app.queue.statistics.stored import add_counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Dialect, Row, Statement

EVERY_SECONDS = 86400
"""How often it is done unasked, for what somebody changed in the tables by hand or by an earlier
version."""

QUICK_SECONDS = 1.0
"""It is done unasked only where it took no longer the last time."""

MAX_ID = 2**63 - 1
HEAD_START = 10_000
"""How many of the rows are rolled up that the history has when the tasks are counted first."""

LONGEST_TAIL = 5_000_000
"""Where more rows of the history are to be rolled up than that, counting all tasks is quicker: the
activity of that time is not told."""


def recount_is_due(connection: Connection, found: marks.Marks) -> bool:
    """Whether to count all tasks before anything else is rolled up."""
    if found.rolled_up_to is None:
        return True
    newest = connection.query("SELECT COALESCE(MAX(id), 0) AS id FROM task_history", {})[0]["id"]
    if newest - found.rolled_up_to > LONGEST_TAIL:
        return True
    at, _, seconds = found.recounted.rpartition(" ")
    if not at or float(seconds) > QUICK_SECONDS:
        return False
    age = connection.dialect.seconds_since(":at")
    (row,) = connection.query(f"SELECT {age} AS age", {"at": at})
    return not 0 <= row["age"] < EVERY_SECONDS


def recount(connection: Connection, age: float) -> None:
    """Replace the counts by those of the tasks as they are at one moment, less what the rows of the
    history did that are not rolled up yet.
    """
    sql = connection.dialect
    began = time.monotonic()
    base = _first_base(connection, age)
    if not connection.query("SELECT 1 FROM settings WHERE name = :name", {"name": marks.MARK}):
        connection.transact([marks.lock(sql)])
    lock = f"SELECT value FROM settings WHERE name = :name {connection.lock_what_is_free}"
    begin: list[Statement] = [(each, {}) for each in (*sql.before_snapshot, sql.begin)]
    locked = connection.send([*begin, (lock, {"name": marks.MARK})])[-1]
    if not locked.rows:
        connection.rollback()
        raise TryAgain("another call rolls the history up")
    (found, newest) = connection.send(
        [marks.LOOK, ("SELECT COALESCE(MAX(id), 0) AS id FROM task_history", {})]
    )
    rolled_up_to = marks.Marks(found.rows).rolled_up_to
    if rolled_up_to is None or newest.rows[0]["id"] - rolled_up_to > LONGEST_TAIL:
        rolled_up_to = base
    counts, groups, later = connection.send(
        [*count_statements(sql), changes_between(sql, rolled_up_to, MAX_ID)]
    )
    change = counted(counts.rows, groups.rows)
    change.add_changes(later.rows, times=-1)
    (now,) = connection.query(f"SELECT {sql.now} AS now", {})
    seconds = time.monotonic() - began
    statements = [
        marks.lock(sql),
        ("DELETE FROM task_counts", {}),
        *add_counts(sql, change),
        marks.store(sql, marks.ROLLED_UP_TO, str(rolled_up_to)),
        marks.store(sql, marks.RECOUNTED, f"{now['now']} {seconds:.3f}"),
    ]
    if connection.is_cluster:
        connection.commit_apart(statements)
    else:
        connection.commit(statements)


def count_statements(sql: Dialect) -> list[Statement]:
    """Counts all tasks: by type and status, then the failed ones by error group."""
    return [
        (
            f"SELECT type_id, status, COUNT(*) AS total FROM tasks {sql.by_index('tasks_status')} "
            "GROUP BY status, type_id",
            {},
        ),
        (
            "SELECT t.type_id AS type_id, e.error_group AS error_group, COUNT(*) AS total "
            f"FROM task_errors AS e {sql.then_join} tasks AS t {sql.by_primary_key} "
            "ON t.id = e.task_id WHERE t.status = 'failed' GROUP BY t.type_id, e.error_group",
            {},
        ),
    ]


def counted(counts: list[Row], groups: list[Row]) -> CountChange:
    """What ``count_statements`` found."""
    change = CountChange()
    for row in counts:
        change.add((row["type_id"], told_status(row["status"]), 0), row["total"])
    for row in groups:
        change.add((row["type_id"], "failed", row["error_group"]), row["total"])
        change.add((row["type_id"], "failed", 0), -row["total"])
    return change


def _first_base(connection: Connection, age: float) -> int:
    """An id such that no row with a lower one is still to come. It lies some way back: what
    happened since then is rolled up like all that comes.
    """
    sql = connection.dialect
    condition = f"WHERE created_at <= {sql.after(str(-age))}" if age else ""
    newest = f"SELECT id FROM task_history {sql.by_primary_key} {condition} ORDER BY id DESC"
    rows = connection.query(f"{newest} LIMIT 1", {})
    return max(0, int(rows[0]["id"]) - HEAD_START) if rows else 0
