"""What happened in each step of an hour, a day or a week."""

from __future__ import annotations

from app.queue.statistics.activity import RUNS, WAITS, Histogram, Subject, starts_of_steps, unpacked
from app.queue.statistics.reading import read
from app.queue.statistics.stats import DAY, Moment
from app.queue.statistics.stored import HOUR, MINUTE, QUARTER, start_of_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.access import Access
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
    moment = Moment(site, access)
    subject = Subject(moment.type_ids(type_name))
    step, seconds = PERIODS[period]
    starts = starts_of_steps(moment.now, step, seconds)
    steps = {start: Histogram() for start in starts}
    if site.settings.enable_task_history:
        reading = read(site, subject.series(site.db.dialect, step, starts, COUNTED))
        totals, buckets = reading.results
        for row in totals.rows:
            steps[_as_stored(row["started_at"])].add([row])
        for row in buckets.rows:
            steps[_as_stored(row["started_at"])].add(unpacked(row))
        for row in subject.of_tail(reading.tail):
            start = start_of_step(row["minute"], step)
            if start in steps:
                steps[start].add([row])
    return Series(step, [_point(start, steps[start]) for start in starts])


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
