"""What happened in each step of an hour, a day or a week."""

from __future__ import annotations

from app.queue.statistics.activity import RUNS, WAITS, Histogram, Subject, starts_of_steps, unpacked
from app.queue.statistics.parts import Part, read_parts
from app.queue.statistics.stats import DAY, Moment
from app.queue.statistics.stored import HOUR, MINUTE, QUARTER, start_of_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.access import Access
    from app.queue.statistics.reading import Reading
    from app.site import Site

PERIODS = {"hour": (MINUTE, HOUR), "day": (QUARTER, DAY), "week": (HOUR, 7 * DAY)}
"""How many seconds each step of a period has, and the period."""

COUNTED = ("created", "completed", "failed")


class Series:
    """A point for each step, the oldest first: ``at`` is when it began, as stored. The last step is
    the one that is on.
    """

    def __init__(self, step_seconds: int, points: list[dict[str, Any]]) -> None:
        self.step_seconds = step_seconds
        self.points = points


def series(
    site: Site, period: str, type_name: str | None = None, access: Access | None = None
) -> Series:
    """Of all types, or of one, as far as a key is for them. Raises UnknownType."""
    moment = Moment(site, access, type_name)
    steps = Steps(site, moment, Subject(moment.type_ids(type_name)), period)
    return steps.series(read_parts(site, [steps]) if steps.statements else None)


class Steps(Part):
    """What a subject did in each step of a period. Nothing where no history is kept."""

    def __init__(self, site: Site, moment: Moment, subject: Subject, period: str) -> None:
        self._subject = subject
        self._step, seconds = PERIODS[period]
        self._starts = starts_of_steps(moment.now, self._step, seconds)
        if site.settings.enable_task_history:
            sql = site.db.dialect
            self.statements = subject.series(sql, self._step, self._starts, COUNTED)

    def series(self, reading: Reading | None) -> Series:
        steps = {start: Histogram() for start in self._starts}
        if reading is not None and self.statements:
            totals, buckets = self.results
            for row in totals.rows:
                steps[_as_stored(row["started_at"])].add([row])
            for row in buckets.rows:
                steps[_as_stored(row["started_at"])].add(unpacked(row))
            for row in self._subject.of_tail(reading.tail):
                start = start_of_step(row["minute"], self._step)
                if start in steps:
                    steps[start].add([row])
        return Series(self._step, [_point(start, steps[start]) for start in self._starts])


def _as_stored(time: str) -> str:
    """MySQL may leave out a fraction of zeros."""
    return f"{time[:19]}.000"


def _point(start: str, histogram: Histogram) -> dict[str, Any]:
    return {
        "at": start,
        **{event: histogram.total(event) for event in COUNTED},
        "wait_p50": histogram.percentiles(WAITS)["p50"],
        "run_p50": histogram.percentiles(RUNS)["p50"],
    }
