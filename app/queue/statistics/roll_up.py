"""Rolling up: the rows of the history are added to the counts and the activity, once each.

A row can be read when its transaction is committed, and the next id may have been committed long
before. So rows are left for later while a transaction may be under way that has a lower id: those
that are younger than calls take, and on a single server, which shows what is not committed yet,
those that somebody is still about to commit.
"""

from __future__ import annotations

from app.errors import TryAgain
from app.queue.statistics import marks
from app.queue.statistics.changes import changes_between, is_of_earlier_version
from app.queue.statistics.error_examples import keep_examples
from app.queue.statistics.recount import recount, recount_is_due
from app.queue.statistics.stored import add_changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Statement
    from app.queue.upkeep.turn import Budget
    from app.site import Site

PIECE = 10_000
"""Rows of the history that one transaction rolls up."""

SQLITE_SHARE = 5
"""The part of that on SQLite, where nobody else can write meanwhile."""

SETTLED_SECONDS = 2.0
"""After that long, an INSERT has written the row for which it has taken an id."""

SUMS = "COUNT(*) AS total, COALESCE(SUM(id), 0) AS ids"


def roll_up(site: Site, budget: Budget) -> bool:
    """Roll up as much as there is, in pieces that begin while the budget lasts. Whether rows are
    left that could be rolled up. Raises TryAgain where somebody else does it.
    """
    if not site.settings.enable_task_history:
        return _forget_counts(site)
    while True:
        is_more_left = site.db.run_once(lambda connection: _roll_up_piece(connection, site))
        if not is_more_left or budget.is_spent:
            return is_more_left


def recount_now(site: Site) -> bool:
    """Count all tasks, whatever is kept of them. Whether there is a history to keep counts by.
    Raises TryAgain where somebody else rolls the history up, again and again.
    """
    if not site.settings.enable_task_history:
        return False
    site.db.run(lambda connection: recount(connection, safe_age(connection, site)))
    return True


def _forget_counts(site: Site) -> bool:
    """What happens without a history is not counted: when one is kept again, all are counted."""
    condition = f"name = '{marks.ROLLED_UP_TO}'"
    look: Statement = (f"SELECT value FROM settings WHERE {condition}", {})
    if site.db.run_once(lambda connection: connection.query(*look)):
        delete: Statement = (f"DELETE FROM settings WHERE {condition}", {})
        site.db.run_once(lambda connection: connection.send([delete]))
    return False


def _roll_up_piece(connection: Connection, site: Site) -> bool:
    found = marks.Marks(connection.query(*marks.LOOK))
    age = safe_age(connection, site)
    if recount_is_due(connection, found):
        recount(connection, age)
        return True
    after = found.rolled_up_to or 0
    upto, is_more_left = _reach(connection, after, age)
    is_trusted = not found.is_doubted
    if upto > after:
        is_trusted = _add(connection, after, upto) and is_trusted
    if not is_trusted and not is_more_left:
        # Only now: it adds up all that is left, so after each piece it would take ever so long.
        recount(connection, age)
    return is_more_left


def safe_age(connection: Connection, site: Site) -> float:
    """How old, in seconds, a row has to be so that no row with a lower id is still to come, as far
    as time can tell.
    """
    if connection.is_cluster:  # nothing shows what other nodes have not committed yet
        return max(10.0, site.settings.call_deadline)
    return SETTLED_SECONDS if connection.dialect.before_dirty_read else 0.0


def _reach(connection: Connection, after: int, age: float) -> tuple[int, bool]:
    """Up to which id to roll up now, and whether that leaves rows for another piece."""
    sql = connection.dialect
    most = PIECE if sql.lock else max(1, PIECE // SQLITE_SHARE)
    piece = (
        f"SELECT id, created_at FROM task_history {sql.by_primary_key} "
        f"WHERE id > {after} ORDER BY id LIMIT {most}"
    )
    young = f"CASE WHEN created_at > {sql.after(str(-age))} THEN id END"
    if not age:
        young = "NULL"
    look = (
        f"SELECT COUNT(*) AS total, MAX(id) AS last, MIN({young}) AS young FROM ({piece}) AS piece"
    )
    (row,) = connection.query(look, {})
    if not row["total"]:
        return after, False
    upto = row["last"] if row["young"] is None else row["young"] - 1
    if not _all_is_committed(connection, after, upto):
        return after, False
    return upto, row["young"] is None and row["total"] == most


def _all_is_committed(connection: Connection, after: int, upto: int) -> bool:
    """Whether no transaction that is still open has a row in this range, on this server."""
    sql = connection.dialect
    if not sql.before_dirty_read or upto <= after:
        return True
    look = (
        f"SELECT {SUMS} FROM task_history {sql.by_primary_key} WHERE id > {after} AND id <= {upto}"
    )
    before: list[Statement] = [(each, {}) for each in sql.before_dirty_read]
    dirty, committed = connection.send([*before, (look, {}), (look, {})])[len(before) :]
    return dirty.rows == committed.rows


def _add(connection: Connection, after: int, upto: int) -> bool:
    """Whether the counts can be trusted then. Raises TryAgain where somebody else was faster, or is
    at it.
    """
    sql = connection.dialect
    lock = f"SELECT value FROM settings WHERE name = :name {connection.lock_what_is_free}"
    locked, found = connection.begin([(lock, {"name": marks.MARK}), marks.LOOK])
    if not locked.rows or marks.Marks(found.rows).rolled_up_to != after:
        connection.rollback()
        raise TryAgain("another call rolls the history up")
    rows = connection.send([changes_between(sql, after, upto)])[0].rows
    statements = [
        marks.lock(sql),
        *add_changes(sql, rows),
        keep_examples(sql, after, upto),
        marks.store(sql, marks.ROLLED_UP_TO, str(upto)),
    ]
    is_trusted = not any(is_of_earlier_version(row) for row in rows)
    if not is_trusted:
        statements.append(marks.store(sql, marks.RECOUNTED, marks.DOUBTED))
    if connection.is_cluster:
        connection.commit_apart(statements)
    else:
        connection.commit(statements)
    return is_trusted
