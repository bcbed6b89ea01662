"""Types as people look at them: how many tasks each has, and what they did within the last hour."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.statistics.parts import SingleQuery, read_parts
from app.queue.statistics.stats import STATUSES
from app.queue.statistics.type_activity import LastHour
from app.queue.type_order import oldest_waiting, sorted_by

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
    by stored status, ``hour`` is what it did within the last hour. ``oldest_at`` is the stored
    time at which its oldest pending task was made, None without any.
    """

    def __init__(
        self, row: Row, counts: Mapping[str, int], hour: TypeActivity, oldest_at: str | None
    ) -> None:
        self.row = row
        self.counts = counts
        self.hour = hour
        self.oldest_at = oldest_at


class TypePage:
    """Some types in their order. ``total`` is how many there are on all pages. ``next_after`` is
    the name after which the next page begins, ``next_start`` its place where the order is that of a
    figure; both None on the last one. ``as_of`` is the stored time of the numbers.
    """

    def __init__(
        self,
        as_of: str,
        types: Sequence[TypeState],
        total: int,
        next_after: str | None = None,
        next_start: int | None = None,
    ) -> None:
        self.as_of = as_of
        self.types = types
        self.total = total
        self.next_after = next_after
        self.next_start = next_start


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


def sorted_type_page(
    site: Site,
    figure: str,
    limit: int = 50,
    start: int = 0,
    text: str | None = None,
    state: str = "",
    access: Access | None = None,
) -> TypePage:
    """The same in the order of a figure of app/queue/type_order.py, from the place ``start`` on.
    Two or three round trips more.
    """
    condition, values = _condition(text, state, access)
    statements: list[Statement] = [
        (f"SELECT {site.db.dialect.now} AS now", {}),
        (f"SELECT id FROM task_types WHERE {condition} ORDER BY name", values),
    ]
    clock, types = site.db.run(lambda connection: connection.send(statements))
    now = str(clock.rows[0]["now"])
    ids = sorted_by(site, figure, now, types.rows)
    shown = ids[start : start + limit]
    look = (
        f"SELECT {COLUMNS} FROM task_types {site.db.dialect.by_primary_key} "
        f"WHERE id IN ({id_list(shown)})"
    )
    found = {row["id"]: row for row in site.db.run(lambda connection: connection.query(look, {}))}
    rows = [found[each] for each in shown if each in found]
    next_start = start + limit if start + limit < len(ids) else None
    return TypePage(now, _states(site, now, rows), len(ids), next_start=next_start)


def _states(site: Site, now: str, rows: Sequence[Row]) -> list[TypeState]:
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    last_hour = LastHour(site, now, ids)
    oldest = SingleQuery(oldest_waiting(site.db.dialect, ids))
    reading = read_parts(site, [last_hour, oldest], of_types=ids)
    counts = {each: dict.fromkeys(STATUSES, 0) for each in ids}
    for (type_id, status, _), total in reading.counts.items():
        if type_id in counts:
            counts[type_id][status] += total
    hours = last_hour.by_type(reading)
    oldest_at = {row["id"]: str(row["created_at"]) for row in oldest.rows}
    return [
        TypeState(row, counts[row["id"]], hours[row["id"]], oldest_at.get(row["id"]))
        for row in rows
    ]


def _condition(text: str | None, state: str, access: Access | None) -> Statement:
    visible, values = ("1 = 1", {}) if access is None else access.types()
    conditions = [visible, STATES[state]]
    if text:
        conditions.append("INSTR(LOWER(name), LOWER(:text)) > 0")
    return " AND ".join(conditions), {**values, "text": text}
