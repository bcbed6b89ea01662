"""How far the history is rolled up, and the lock of those who change what is.

Rolling up, counting again and deleting tasks exclude one another: each writes the mark first, in
its own transaction. On a cluster, where locks are local to a node, two who write it at once cannot
both commit.
"""

from __future__ import annotations

from app.queue.change_id import new_change_id
from app.queue.upkeep import ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Row, Statement

MARK = f"{ROWS}statistics_mark"
ROLLED_UP_TO = f"{ROWS}rolled_up_to"
"""The id of the last row of the history that is in the counts."""
RECOUNTED = f"{ROWS}recounted"
"""When all tasks were counted last, and how many seconds that took; or DOUBTED."""

DOUBTED = "due"
"""An earlier version left rows that do not tell all that the counts need: they may be wrong until
all tasks are counted.
"""

NAMES = f"'{MARK}', '{ROLLED_UP_TO}', '{RECOUNTED}'"

LOOK: Statement = (f"SELECT name, value FROM settings WHERE name IN ({NAMES})", {})


class Marks:
    """What LOOK found. ``rolled_up_to`` is None while nothing was ever counted."""

    def __init__(self, rows: list[Row]) -> None:
        values = {row["name"]: row["value"] for row in rows}
        self.has_mark = MARK in values
        self.rolled_up_to = int(values[ROLLED_UP_TO]) if ROLLED_UP_TO in values else None
        self.recounted: str = values.get(RECOUNTED, "")
        self.is_doubted = self.recounted == DOUBTED


def lock(sql: Dialect) -> Statement:
    """Waits until nobody else changes what is rolled up. To be sent after the locks of tasks."""
    return store(sql, MARK, str(new_change_id()))


def store(sql: Dialect, name: str, value: str) -> Statement:
    return (
        "INSERT INTO settings (name, value) VALUES (:name, :value) "
        f"{sql.or_change('settings.name')} value = {sql.given('value')}",
        {"name": name, "value": value},
    )
