"""What was counted since counting began, by type: numbers that only grow, for monitoring."""

from __future__ import annotations

from app.queue import upkeep
from app.queue.statistics.oldest_due import oldest_due_age
from app.queue.statistics.reading import read
from app.queue.statistics.stored import ALL_TYPES, EVER, START_OF_EVER, told_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.db.connection import Row, Statement
    from app.site import Site

SEEN_LATELY = 300
"""Seconds: a worker that was seen within them is taken for alive."""


class Totals:
    """``counts`` of tasks by type and status now; ``events`` and their ``seconds`` ever by type and
    event; ``oldest_due_age`` in seconds, None where nothing waits; how many ``workers`` were seen
    lately; whether the whole queue ``is_paused``: then what waits does so on purpose.
    """

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self.events: dict[tuple[str, str], int] = {}
        self.seconds: dict[tuple[str, str], float] = {}
        self.oldest_due_age: float | None = None
        self.workers = 0
        self.is_paused = False


def totals(site: Site) -> Totals:
    """Of every type that is registered. Raises a DatabaseError."""
    statements: list[Statement] = [
        ("SELECT id, name, is_paused FROM task_types ORDER BY name", {}),
        (
            "SELECT type_id, event, SUM(total) AS total, SUM(total_seconds) AS total_seconds "
            "FROM task_activity WHERE step_seconds = :step AND started_at = :start "
            "AND type_id <> :all GROUP BY type_id, event",
            {"step": EVER, "start": START_OF_EVER, "all": ALL_TYPES},
        ),
        (
            "SELECT COUNT(*) AS total FROM workers WHERE deregistered_at IS NULL "
            f"AND last_seen_at > {site.db.dialect.after(str(-SEEN_LATELY))}",
            {},
        ),
        ("SELECT 1 AS paused FROM settings WHERE name = :name", {"name": upkeep.PAUSED_AT}),
    ]
    reading = read(site, statements)
    types, rolled_up, workers, pause = (result.rows for result in reading.results)
    names = {row["id"]: str(row["name"]) for row in types}
    found = Totals()
    _add_events(found, names, rolled_up)
    _add_events(found, names, reading.tail)
    for (type_id, status, _), count in reading.counts.items():
        key = (names.get(type_id, ""), status)
        found.counts[key] = found.counts.get(key, 0) + count
    found.is_paused = bool(pause)
    if not found.is_paused:
        found.oldest_due_age = oldest_due_age(site, types)
    found.workers = int(workers[0]["total"])
    return found


def _add_events(found: Totals, names: dict[int, str], rows: Iterable[Row]) -> None:
    for row in rows:
        if row["type_id"] in names:
            key = (names[row["type_id"]], told_event(row))
            found.events[key] = found.events.get(key, 0) + int(row["total"])
            seconds = found.seconds.get(key, 0.0) + float(row["total_seconds"] or 0)
            found.seconds[key] = seconds
