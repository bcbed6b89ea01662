"""How many tasks of a type with a rate were claimed within its period: a window that slides.

Each claim has a row with its time, so that no period of that length, wherever it begins, has more
claims than the rate. Where there are very many rows, the older ones are merged: into the last one
of each hundredth of the period, so that none counts for too short a time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Row, Statement

MOST_ROWS = 1000
MERGED_INTO = 100

EPOCH = "'2020-01-01 00:00:00.000'"
"""From here the hundredths are counted, so that merging again changes nothing."""

SETTLED_SECONDS = 60
"""Longer than a call may take: no row that is older is still to be committed."""


def used(sql: Dialect, type_id: int) -> Statement:
    """Finds how many tasks were claimed, and how long ago the first of them. A time far ahead is
    from before the clock was set back.
    """
    seconds = f"(SELECT rate_seconds FROM task_types WHERE id = {int(type_id)})"
    return (
        "SELECT COALESCE(SUM(total), 0) AS used, COUNT(*) AS entries, "
        f"{sql.seconds_since('MIN(claimed_at)')} AS age FROM rate_claims "
        f"WHERE type_id = {int(type_id)} AND claimed_at > {sql.after(f'-{seconds}')} "
        f"AND claimed_at <= {sql.after(seconds)}",
        {},
    )


def opens_at(sql: Dialect, seconds: float, window: Row) -> str:
    """SQL for when the first of these claims counts no more."""
    wait = max(0.0, seconds - float(window["age"]))
    return sql.after(f"{wait:.3f}")


def tidy(
    sql: Dialect, type_id: int, seconds: float | None, window: Row, mark: int
) -> Sequence[Statement]:
    """Deletes what counts no more, and merges the rest where there are many rows of it."""
    of_type = f"type_id = {int(type_id)}"
    if seconds is None:
        return [(f"DELETE FROM rate_claims WHERE {of_type}", {})]
    span = repr(float(seconds))
    gone = (
        f"DELETE FROM rate_claims WHERE {of_type} AND (claimed_at <= {sql.after(f'-{span}')} "
        f"OR claimed_at > {sql.after(span)})"
    )
    if window["entries"] <= MOST_ROWS:
        return [(gone, {})]
    share = repr(float(seconds) / MERGED_INTO)
    time = f"({sql.seconds_since(EPOCH)} - {sql.seconds_since('claimed_at')})"
    merge = (
        "INSERT INTO rate_claims (type_id, claimed_at, change_id, total) "
        f"SELECT type_id, MAX(claimed_at), {mark}, SUM(total) FROM rate_claims WHERE {of_type} "
        f"AND claimed_at < {sql.after(str(-SETTLED_SECONDS))} "
        f"GROUP BY type_id, ROUND({time} / {share})"
    )
    # Nothing goes that was not merged: neither what has come since, nor if a rival node of a
    # cluster has undone it.
    upto = (
        f"SELECT upto FROM (SELECT MAX(claimed_at) AS upto FROM rate_claims WHERE {of_type} "
        f"AND change_id = {mark}) AS merged"
    )
    merged = f"DELETE FROM rate_claims WHERE {of_type} AND claimed_at <= ({upto})"
    return [(gone, {}), (merge, {}), (f"{merged} AND change_id <> {mark}", {})]
