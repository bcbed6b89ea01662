"""Tasks that have failed and wait for their next attempt: a row each beside those of error groups,
so that a list finds them among any number of scheduled tasks.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.upkeep import ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Statement
    from app.site import Site

WAITS_AGAIN = 0
"""Stands in place of an error group, which is from 1."""

NOTED = f"{ROWS}waiting_again_noted"
"""The setting that is there once all are noted: earlier versions noted none."""


def record(sql: Dialect, condition: str) -> Statement:
    """Notes those of the tasks that ``condition`` finds which wait again."""
    there = sql.unless_there("task_errors.error_group", "task_errors.task_id")
    return (
        "INSERT INTO task_errors (error_group, task_id, type_id) "
        f"SELECT {WAITS_AGAIN}, id, type_id FROM tasks {sql.by_primary_key} WHERE {condition} "
        f"AND status = 'scheduled' AND attempts > releases {there}",
        {},
    )


def forget(sql: Dialect, task_ids: Sequence[int]) -> Statement:
    """To be sent where these tasks stop waiting. What is left over is harmless: lists look at the
    tasks, too.
    """
    return (
        f"DELETE FROM task_errors WHERE error_group = {WAITS_AGAIN} "
        f"AND task_id IN ({id_list(task_ids)})",
        {},
    )


def note_all_once(site: Site) -> None:
    """Notes those that waited before this was noted: a single time for each site, since it reads
    all scheduled tasks.
    """
    look: Statement = ("SELECT 1 AS noted FROM settings WHERE name = :name", {"name": NOTED})
    if not site.db.run(lambda connection: connection.query(*look)):
        site.db.run(_note_all)


def _note_all(connection: Connection) -> None:
    sql = connection.dialect
    look = (
        f"SELECT id FROM tasks {sql.by_index('tasks_created')} "
        "WHERE status = 'scheduled' AND attempts > releases"
    )
    ids = [row["id"] for row in connection.query(look, {})]
    noted: Statement = (
        "INSERT INTO settings (name, value) VALUES (:name, '1') "
        + sql.unless_there("settings.name"),
        {"name": NOTED},
    )
    pieces = [ids[start : start + 1000] for start in range(0, len(ids), 1000)]
    connection.transact([*(record(sql, f"id IN ({id_list(each)})") for each in pieces), noted])
