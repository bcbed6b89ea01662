"""Types as people look at them: how many tasks each has, and what they did within the last hour."""

from __future__ import annotations

from app.queue.statistics.parts import read_parts
from app.queue.statistics.stats import STATUSES
from app.queue.statistics.type_activity import LastHour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.db.connection import Row, Statement
    from app.queue.access import Access
    from app.queue.statistics.type_activity import TypeActivity
    from app.site import Site

COLUMNS = (
    "id, name, version, description, is_active, is_paused, archived_at, max_running, "
    "max_attempts, timeout, priority"
)
"""Without the schemas, which may be long."""

STATES = {
    "": "archived_at IS NULL",
    "active": "archived_at IS NULL AND is_active = 1 AND is_paused = 0",
    "paused": "archived_at IS NULL AND is_paused = 1",
    "inactive": "archived_at IS NULL AND is_active = 0",
    "archived": "archived_at IS NOT NULL",
}
"""What each state means; the empty one is that of all that were not deleted."""


class TypeState:
    """``row`` has what is set for the type, without its schema; ``counts`` are those of its tasks
    by stored status, ``hour`` is what it did within the last hour.
    """

    def __init__(self, row: Row, counts: Mapping[str, int], hour: TypeActivity) -> None:
        self.row = row
        self.counts = counts
        self.hour = hour


class TypePage:
    """Some types in the order of their names. ``total`` is how many there are on all pages;
    ``next_after`` the name after which the next page begins, None on the last one. ``as_of`` is
    the stored time of the numbers.
    """

    def __init__(
        self, as_of: str, types: Sequence[TypeState], total: int, next_after: str | None
    ) -> None:
        self.as_of = as_of
        self.types = types
        self.total = total
        self.next_after = next_after


def type_page(
    site: Site,
    limit: int = 50,
    after: str | None = None,
    text: str | None = None,
    state: str = "",
    access: Access | None = None,
) -> TypePage:
    """Those in one of STATES that hold ``text`` in their names, and come after the name ``after``.
    Three round trips, with 10,000 types or a few. Raises a DatabaseError.
    """
    condition, values = _condition(text, state, access)
    order = f"ORDER BY name LIMIT {int(limit) + 1}"
    statements: list[Statement] = [
        (
            f"SELECT {site.db.dialect.now} AS now, COUNT(*) AS total FROM task_types "
            f"WHERE {condition}",
            values,
        ),
        (
            f"SELECT {COLUMNS} FROM task_types WHERE {condition} AND name > :after {order}",
            {**values, "after": after or ""},
        ),
    ]
    totals, types = site.db.run(lambda connection: connection.send(statements))
    now, total = str(totals.rows[0]["now"]), int(totals.rows[0]["total"])
    rows = types.rows[:limit]
    next_after = rows[-1]["name"] if len(types.rows) > limit else None
    return TypePage(now, _states(site, now, rows), total, next_after)


def _states(site: Site, now: str, rows: Sequence[Row]) -> list[TypeState]:
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    last_hour = LastHour(site, now, ids)
    reading = read_parts(site, [last_hour], of_types=ids)
    counts = {each: dict.fromkeys(STATUSES, 0) for each in ids}
    for (type_id, status, _), total in reading.counts.items():
        if type_id in counts:
            counts[type_id][status] += total
    hours = last_hour.by_type(reading)
    return [TypeState(row, counts[row["id"]], hours[row["id"]]) for row in rows]


def _condition(text: str | None, state: str, access: Access | None) -> Statement:
    visible, values = ("1 = 1", {}) if access is None else access.types()
    conditions = [visible, STATES[state]]
    if text:
        conditions.append("INSTR(LOWER(name), LOWER(:text)) > 0")
    return " AND ".join(conditions), {**values, "text": text}
