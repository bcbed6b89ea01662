"""How many tasks ended within the last minute, to the second: read from the newest rows of the
history themselves.
"""

from __future__ import annotations

from app.db.connection import id_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Result, Row, Statement
    from app.queue.statistics.activity import Subject

SECONDS = 60
ROWS = 20_000
"""At most so many rows are read. Where they do not reach a minute back, the rate of their time is
taken for the minute."""


MOST_MISSING = 1_000
"""Where the oldest of these rows is further from the first, the ones before were deleted: then the
rows reach back as far as there are any."""


def last_minute(sql: Dialect, newest: int, subject: Subject) -> list[Statement]:
    """Finds how far back the newest rows reach, and what ended within a minute; ``newest`` is the
    id of the last one.
    """
    source = f"task_history AS h {sql.by_primary_key}"
    first = int(newest) - ROWS
    conditions = [
        f"h.id > {first} AND h.created_at > {sql.after(str(-SECONDS))}",
        "h.status IN ('completed', 'failed')",
    ]
    if subject.worker_id is not None:
        conditions.append("h.worker_id = :worker_id")
    elif subject.type_ids is not None:
        source += f" {sql.then_join} tasks AS t {sql.by_primary_key} ON t.id = h.task_id"
        conditions.append(f"t.type_id IN ({id_list(sorted(subject.type_ids))})")
    return [
        (
            f"SELECT h.id AS id, {sql.seconds_since('h.created_at')} AS age FROM task_history AS h "
            f"{sql.by_primary_key} WHERE h.id > {first} ORDER BY h.id LIMIT 1",
            {},
        ),
        (
            f"SELECT h.status AS event, COUNT(*) AS total FROM {source} "
            f"WHERE {' AND '.join(conditions)} GROUP BY h.status",
            {"worker_id": subject.worker_id},
        ),
    ]


def ended(oldest: Result, totals: Result, newest: int) -> dict[str, int]:
    """The totals by event, from what ``last_minute`` found."""
    factor = _share_of_minute(oldest.rows, newest)
    return {row["event"]: round(row["total"] * factor) for row in totals.rows}


def _share_of_minute(oldest: list[Row], newest: int) -> float:
    if not oldest or newest <= ROWS or oldest[0]["id"] > newest - ROWS + MOST_MISSING:
        return 1.0
    return max(1.0, SECONDS / max(0.1, float(oldest[0]["age"])))
