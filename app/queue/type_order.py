"""Types in the order of a figure: those with the most failures first, the longest wait, and so on.

The figures of all types come from the statistics, which hold a few rows a type, so that sorting
10,000 types reads as much as the overview does. Those with nothing to show follow by name.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.queue.statistics.activity import FEWEST_ENDED
from app.queue.statistics.parts import read_parts
from app.queue.statistics.type_activity import Busiest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.statistics.reading import Reading
    from app.site import Site

    Figures = Mapping[int, float]

COUNTED = {"waiting": ("pending", "scheduled"), "running": ("claimed",), "failed": ("failed",)}
OF_THE_HOUR = ("ended", "share")
OLDEST = "oldest"
FIGURES = (*OF_THE_HOUR, *COUNTED, OLDEST)
"""What types can be sorted by, besides their names: the largest figure first."""

MOST_PROBED = 2000
"""The oldest task is looked for in so many types at most, those with the most tasks waiting."""


def sorted_by(site: Site, figure: str, now: str, types: Sequence[Row]) -> list[int]:
    """The ids of these types, which are in the order of their names."""
    figures = _figures(site, figure, now)
    ranked = sorted(enumerate(types), key=lambda each: (-figures.get(each[1]["id"], 0.0), each[0]))
    return [row["id"] for _, row in ranked]


def oldest_waiting(sql: Dialect, type_ids: Iterable[int]) -> Statement:
    """Finds since when the pending task of each type is there that was made first."""
    first = (
        f"SELECT MIN(tasks.id) FROM tasks {sql.by_index('tasks_status')} "
        "WHERE tasks.status = 'pending' AND tasks.type_id = task_types.id"
    )
    return (
        f"SELECT of_type.id, oldest.created_at, {sql.seconds_since('oldest.created_at')} AS age "
        f"FROM (SELECT task_types.id, ({first}) AS first_id FROM task_types {sql.by_primary_key} "
        f"WHERE task_types.id IN ({id_list(type_ids)})) AS of_type "
        "JOIN tasks AS oldest ON oldest.id = of_type.first_id",
        {},
    )


def _figures(site: Site, figure: str, now: str) -> Figures:
    busiest = Busiest(site, now)
    reading = read_parts(site, [busiest] if figure in OF_THE_HOUR else [])
    if figure in OF_THE_HOUR:
        return _of_the_hour(figure, busiest.ended(reading))
    if figure == OLDEST:
        return site.db.run(lambda connection: _oldest(connection, _counts(reading, ("pending",))))
    return _counts(reading, COUNTED[figure])


def _counts(reading: Reading, statuses: Sequence[str]) -> dict[int, float]:
    found: dict[int, float] = {}
    for (type_id, status, _), total in reading.counts.items():
        if status in statuses:
            found[type_id] = found.get(type_id, 0.0) + total
    return found


def _of_the_hour(figure: str, ended: Mapping[int, Mapping[str, int]]) -> Figures:
    totals = {each: sum(counts.values()) for each, counts in ended.items()}
    if figure == "ended":
        return totals
    return {
        each: counts["failed"] / totals[each]
        for each, counts in ended.items()
        if totals[each] >= FEWEST_ENDED
    }


def _oldest(connection: Connection, waiting: Figures) -> Figures:
    probed = sorted(waiting, key=lambda each: -waiting[each])[:MOST_PROBED]
    rows = connection.query(*oldest_waiting(connection.dialect, sorted(probed)))
    return {row["id"]: float(row["age"]) for row in rows}
