"""The dedupe keys that tasks hold: those in the queue, and those that were pruned.

A pruned task leaves a row of ``used_dedupe_keys`` in place of its key, in the same transaction, and
whoever takes a key over deletes that row. So a key is in one of the two tables, and one statement,
which sees both at one moment, finds it.
"""

from __future__ import annotations

from app.db.connection import text_list
from app.queue import dedupe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement


def look(sql: Dialect, keys: Sequence[str]) -> Statement:
    """Finds the tasks that hold these keys; of those that were pruned, what they left."""
    listed, values = text_list("key", keys)
    age = sql.seconds_since("created_at")
    return (
        f"SELECT id, type_id, dedupe_key, status, urgency, {age} AS age, 0 AS is_pruned "
        f"FROM tasks WHERE dedupe_key IN ({listed}) "
        f"UNION ALL SELECT task_id, type_id, dedupe_key, status, 0, {age}, 1 "
        f"FROM used_dedupe_keys WHERE dedupe_key IN ({listed})",
        values,
    )


def free(scope: Any, row: Row) -> list[Statement]:
    """Free the key of a task that ``look`` found. The task may have been pruned since."""
    values = {"id": row["id"], "key": row["dedupe_key"], "type_id": row["type_id"]}
    forget = delete("dedupe_key = :key AND type_id = :type_id", values)
    if row["is_pruned"]:
        return [forget]
    return [dedupe.give_up_key("id = :id AND dedupe_key = :key", values, scope), forget]


def delete(condition: str, values: dict[str, Any]) -> Statement:
    return f"DELETE FROM used_dedupe_keys WHERE {condition}", values


def keep(sql: Dialect, condition: str, values: dict[str, Any]) -> Statement:
    """Keep the keys of the tasks that ``condition`` finds, which are about to be pruned."""
    return (
        "REPLACE INTO used_dedupe_keys (dedupe_key, type_id, task_id, status, created_at, "
        f"pruned_at) SELECT dedupe_key, type_id, id, status, created_at, {sql.now} "
        f"FROM tasks {sql.by_primary_key} WHERE {condition} AND dedupe_key IS NOT NULL",
        values,
    )
