"""Dedupe keys of pruned tasks that no create asks for any more: those of types that are gone, and
those of the times of schedules that have been seen to.
"""

from __future__ import annotations

import re

from app.db.connection import id_list
from app.queue import upkeep, used_keys
from app.queue.upkeep.cursors import TextPosition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Row, Statement

PAGE = 500

POSITION = f"{upkeep.ROWS}used_keys_position"
"""The row of ``settings`` that holds the last key that was looked at: its type's id and the key."""

OF_A_TIME = re.compile(r"schedule:(\d{1,18}):(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})")
"""As app/queue/schedules/making.py writes it."""

SETTLED_SECONDS = 86400
"""Longer ago than anybody may still be at work who has seen the time due."""


def forget_useless_keys(connection: Connection) -> bool:
    """Look at the next keys; whether more follow."""
    sql = connection.dialect
    position = TextPosition(POSITION)
    rows = connection.query(*_next_keys(connection, position.read(connection)))
    useless = [row for row in rows if row["is_type_gone"]]
    useless += _of_seen_times(connection, [row for row in rows if not row["is_type_gone"]])
    is_more = len(rows) == PAGE
    last = f"{rows[-1]['type_id']} {rows[-1]['dedupe_key']}" if is_more else ""
    connection.transact([*(_forget(row) for row in useless), *position.store(sql, last)])
    return is_more


def _next_keys(connection: Connection, position: str) -> Statement:
    sql = connection.dialect
    type_id, _, key = position.partition(" ")
    page = (
        f"SELECT dedupe_key, type_id, pruned_at FROM used_dedupe_keys {sql.by_primary_key} "
        "WHERE dedupe_key >= :key AND (dedupe_key > :key OR type_id > :type_id) "
        f"ORDER BY dedupe_key, type_id LIMIT {PAGE}"
    )
    return (
        "SELECT page.dedupe_key, page.type_id, task_types.id IS NULL AS is_type_gone, "
        f"{sql.seconds_since('page.pruned_at')} AS age FROM ({page}) AS page "
        "LEFT JOIN task_types ON task_types.id = page.type_id "
        "ORDER BY page.dedupe_key, page.type_id",
        {"key": key, "type_id": int(type_id or 0)},
    )


def _of_seen_times(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """Those of times that their schedule has behind it: it never makes a task for them again."""
    old = [row for row in rows if (row["age"] or 0) > SETTLED_SECONDS]
    times = [(row, OF_A_TIME.fullmatch(row["dedupe_key"])) for row in old]
    found = [(row, int(match[1]), match[2]) for row, match in times if match]
    if not found:
        return []
    look = (
        "SELECT id, next_at FROM schedules "
        f"WHERE id IN ({id_list({schedule_id for _, schedule_id, _ in found})})"
    )
    next_at = {row["id"]: str(row["next_at"] or "~") for row in connection.query(look, {})}
    return [row for row, schedule_id, time in found if time < next_at.get(schedule_id, "~")]


def _forget(row: Row) -> Statement:
    values = {"key": row["dedupe_key"], "type_id": row["type_id"]}
    return used_keys.delete("dedupe_key = :key AND type_id = :type_id", values)
