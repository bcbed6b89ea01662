"""The times of a schedule: those of a cron expression in a time zone, or a fixed interval apart.

Daylight saving is handled as Debian's cron does it, by the library cronsim:

- Expressions that name hours and minutes run once a day, whatever the clocks do. A time that the
  clock skips runs when the gap ends; a time that comes twice runs the first time only.
- Expressions with ``*`` for the hour or the minute run by time as it passes: an hour that is
  skipped has no runs, and one that comes twice has all of them twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo
    from typing import Any

SHORTEST_INTERVAL = 1.0
NEXT_RUNS = 5
CRON_EXAMPLE = "30 4 * * 1-5"

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def check_cron(text: str) -> str:
    """The expression, with a nickname such as ``@daily`` written out. Raises ValueError."""
    from cronsim import CronSim, CronSimError

    expression = NICKNAMES.get(text.strip().lower(), " ".join(text.split()))
    if len(expression.split()) != 5:
        raise ValueError(
            "must have five fields (minute, hour, day of the month, month, day of the week), like "
            f'"{CRON_EXAMPLE}", or be one of {", ".join(sorted(NICKNAMES))}'
        )
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=timezone.utc)))
    except CronSimError as error:
        raise ValueError(f'is no cron expression like "{CRON_EXAMPLE}": {error}') from None
    except StopIteration:
        raise ValueError("names a day that no year has") from None
    return expression


def check_timezone(name: str) -> str:
    """Raises ValueError unless it is an IANA name that is known here."""
    _zone(name)
    return name


class Times:
    """Times are UTC with their zone set. ``every`` is in seconds."""

    def __init__(self, cron: str | None, every: float | None, timezone_name: str) -> None:
        self._cron = cron
        self._every = timedelta(seconds=every) if every else None
        self._zone = _zone(timezone_name)

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Each time after ``moment``; for an interval, counted from it."""
        if self._every is not None:
            while True:
                moment += self._every
                yield moment
        from cronsim import CronSim

        for time in CronSim(self._cron or "", moment.astimezone(self._zone)):
            yield time.astimezone(timezone.utc)


def times_of(row: Mapping[Any, Any]) -> Times:
    """When the tasks of a schedule, a row of the table, are due."""
    return Times(row["cron"], row["every_seconds"], row["timezone"])


def next_times(row: Mapping[Any, Any]) -> list[str]:
    """The next stored times of a schedule; none while it is paused."""
    if row["next_at"] is None:
        return []
    first = from_stored(row["next_at"])
    return [stored(each) for each in (first, *islice(times_of(row).after(first), NEXT_RUNS - 1))]


def from_stored(text: str) -> datetime:
    """A stored time as a datetime in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def stored(moment: datetime) -> str:
    """A datetime, which has a zone, as a stored time."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(" ", "milliseconds")


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"must be an IANA time zone like Europe/Berlin or America/New_York, and is {name!r}"
        ) from None
