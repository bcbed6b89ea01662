"""What is kept of each error group: an example, and when it came first and last."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Statement

LONGEST_ERROR = 500


def examples_between(sql: Dialect, after: int, upto: int) -> Statement:
    """Finds each group among the rows of the history whose ids are above ``after``, up to and with
    ``upto``; the example is the newest one.
    """
    groups = (
        "SELECT t.type_id AS type_id, h.error_group AS error_group, MAX(h.id) AS last_id, "
        "MIN(h.created_at) AS first_at, MAX(h.created_at) AS last_at "
        f"FROM task_history AS h {sql.by_primary_key} {sql.then_join} tasks AS t "
        f"{sql.by_primary_key} ON t.id = h.task_id WHERE h.id > {int(after)} "
        f"AND h.id <= {int(upto)} AND h.error_group IS NOT NULL GROUP BY t.type_id, h.error_group"
    )
    return (
        "SELECT g.type_id AS type_id, g.error_group AS error_group, "
        f"SUBSTR(COALESCE(h.message, ''), 1, {LONGEST_ERROR}) AS error, h.task_id AS sample_id, "
        f"g.first_at AS first_at, g.last_at AS last_at FROM ({groups}) AS g {sql.then_join} "
        f"task_history AS h {sql.by_primary_key} ON h.id = g.last_id WHERE h.id > {int(after)}",
        {},
    )


def keep_examples(sql: Dialect, after: int, upto: int) -> Statement:
    """Adds what ``examples_between`` finds to what is kept."""
    select, values = examples_between(sql, after, upto)
    key = ("error_groups.type_id", "error_groups.error_group")
    changes = ", ".join(f"{each} = {sql.given(each)}" for each in ("error", "sample_id", "last_at"))
    return (
        "INSERT INTO error_groups (type_id, error_group, error, sample_id, first_at, last_at) "
        f"{select} {sql.or_change(*key)} {changes}",
        values,
    )
