"""What each of several types did within the last hour, in two statements for all of them."""

from __future__ import annotations

from app.db.connection import id_list, text_list
from app.queue.statistics.activity import (
    FEWEST_ENDED,
    PACKED,
    RUNS,
    Histogram,
    starts_of_steps,
    unpacked,
)
from app.queue.statistics.buckets import NO_TIME
from app.queue.statistics.parts import Part, SingleQuery
from app.queue.statistics.stored import ALL_TYPES, HOUR, MINUTE, QUARTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.db.connection import Dialect, Row, Statement
    from app.queue.statistics.reading import Reading
    from app.site import Site

ENDED = ("completed", "failed")
MINUTES = HOUR // MINUTE
MINUTES_A_POINT = 2


class TypeActivity:
    """How many tasks of a type ``completed`` and ``failed`` within the hour: in each two minutes of
    it (``points``, both together, the oldest first), and in all. ``run_p95`` is in seconds, of the
    same hour to a quarter; None where no attempt ended.
    """

    def __init__(self) -> None:
        self.points = [0] * (MINUTES // MINUTES_A_POINT)
        self.completed = 0
        self.failed = 0
        self.run_p95: float | None = None

    def add(self, event: str, point: int, total: int) -> None:
        self.points[point] += total
        if event == "completed":
            self.completed += total
        else:
            self.failed += total

    @property
    def ended(self) -> int:
        return self.completed + self.failed

    @property
    def per_minute(self) -> float:
        return self.ended / MINUTES

    @property
    def failure_share(self) -> float | None:
        """Of the tasks that ended; None where too few did."""
        return self.failed / self.ended if self.ended >= FEWEST_ENDED else None


class LastHour(Part):
    """The activity of these types. Nothing where no history is kept."""

    def __init__(self, site: Site, now: str, type_ids: Sequence[int]) -> None:
        self._type_ids = sorted(type_ids)
        self._now = now
        self._starts = starts_of_steps(now, MINUTE, HOUR)
        if site.settings.enable_task_history and type_ids:
            self.statements = self._statements(site.db.dialect)

    def by_type(self, reading: Reading) -> dict[int, TypeActivity]:
        found = {each: TypeActivity() for each in self._type_ids}
        if not self.statements:
            return found
        own = [
            row
            for row in reading.tail
            if row["type_id"] in found and row["minute"] >= self._starts[0][:16]
        ]
        self._add_points(found, own)
        self._add_times(found, own)
        return found

    def _statements(self, sql: Dialect) -> list[Statement]:
        """Each finds one row a type and event, with what it found packed into a text: a row for
        each minute or bucket of fifty types would take more time to read than to find. Minutes are
        added up in the order of the primary key first, which takes half as long.
        """
        minutes, values = self._rolled_up(sql, MINUTE, ENDED)
        quarters, runs = self._rolled_up(sql, QUARTER, RUNS)
        points = (
            f"SELECT started_at, type_id, event, SUM(total) AS total {minutes} "
            "GROUP BY started_at, type_id, event"
        )
        sums = (
            f"SELECT type_id, event, bucket, SUM(total) AS total {quarters} "
            f"AND bucket <> {NO_TIME} GROUP BY type_id, event, bucket"
        )
        minute = f"total * {PACKED} + SUBSTR(started_at, 15, 2)"
        return [
            (
                f"SELECT type_id, event, GROUP_CONCAT({minute}) AS packed "
                f"FROM ({points}) AS p GROUP BY type_id, event",
                values,
            ),
            (
                f"SELECT type_id, event, GROUP_CONCAT(total * {PACKED} + bucket) AS packed "
                f"FROM ({sums}) AS s GROUP BY type_id, event",
                runs,
            ),
        ]

    def _rolled_up(self, sql: Dialect, step: int, counted: Sequence[str]) -> Statement:
        listed, starts = text_list("start", starts_of_steps(self._now, step, HOUR))
        events, names = text_list("event", counted)
        return (
            f"FROM task_activity {sql.by_primary_key} WHERE step_seconds = {step} "
            f"AND started_at IN ({listed}) AND type_id IN ({id_list(self._type_ids)}) "
            f"AND event IN ({events})",
            {**starts, **names},
        )

    def _add_points(self, found: dict[int, TypeActivity], tail: Iterable[Row]) -> None:
        # No two minutes of an hour have the same number.
        point_of = {
            int(start[14:16]): position // MINUTES_A_POINT
            for position, start in enumerate(self._starts)
        }
        for row in self.results[0].rows:
            for each in unpacked(row):
                point = point_of[each["bucket"]]
                found[row["type_id"]].add(row["event"], point, each["total"])
        for row in tail:
            if row["event"] in ENDED:
                point = point_of[int(row["minute"][14:16])]
                found[row["type_id"]].add(row["event"], point, int(row["total"]))

    def _add_times(self, found: dict[int, TypeActivity], tail: Sequence[Row]) -> None:
        histograms = {each: Histogram() for each in found}
        for row in self.results[1].rows:
            histograms[row["type_id"]].add(unpacked(row))
        for row in tail:
            histograms[row["type_id"]].add([row])
        for type_id, histogram in histograms.items():
            found[type_id].run_p95 = histogram.percentiles(RUNS)["p95"]


class Busiest(SingleQuery):
    """How many tasks of each type ended within the hour, to a quarter of an hour."""

    def __init__(self, site: Site, now: str) -> None:
        self._first = starts_of_steps(now, QUARTER, HOUR)[0]
        listed, values = text_list("start", starts_of_steps(now, QUARTER, HOUR))
        events, names = text_list("event", ENDED)
        super().__init__(
            (
                f"SELECT type_id, event, SUM(total) AS total FROM task_activity "
                f"{site.db.dialect.by_primary_key} WHERE step_seconds = {QUARTER} "
                f"AND started_at IN ({listed}) AND type_id <> {ALL_TYPES} "
                f"AND event IN ({events}) GROUP BY type_id, event",
                {**values, **names},
            )
        )

    def ended(self, reading: Reading) -> dict[int, dict[str, int]]:
        """How many tasks completed and failed, of each type that had any."""
        found: dict[int, dict[str, int]] = {}
        tail = [
            row
            for row in reading.tail
            if row["event"] in ENDED and row["minute"] >= self._first[:16]
        ]
        for row in (*self.rows, *tail):
            own = found.setdefault(row["type_id"], dict.fromkeys(ENDED, 0))
            own[row["event"]] += int(row["total"])
        return found
