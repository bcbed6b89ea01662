"""How the queue is doing now: counts, what ended lately, how long tasks waited and ran."""

from __future__ import annotations

from app.errors import UnknownType
from app.queue import upkeep
from app.queue.statistics.activity import (
    RUNS,
    WAITS,
    Histogram,
    Subject,
    mean_seconds,
    starts_of_steps,
)
from app.queue.statistics.last_minute import ended, last_minute
from app.queue.statistics.oldest_due import oldest_due_age
from app.queue.statistics.parts import Part, read_parts
from app.queue.statistics.stored import HOUR, MINUTE, QUARTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Row, Statement
    from app.queue.access import Access
    from app.queue.statistics.reading import Reading
    from app.site import Site

STATUSES = ("pending", "scheduled", "claimed", "completed", "failed", "cancelled")
DAY = 24 * HOUR
ENDS = ("completed", "failed")


class Moment:
    """What is looked up first: the time, the id of the newest row of the history, whether the queue
    is paused, the types: all of them, or those that the caller's key is for; with ``type_name``
    that one alone, for there may be thousands.
    """

    def __init__(
        self, site: Site, access: Access | None = None, type_name: str | None = None
    ) -> None:
        visible, values = ("1 = 1", {}) if access is None else access.types()
        self._are_all = not values
        if type_name is not None:
            visible, values = f"{visible} AND name = :type_name", {**values, "type_name": type_name}
        paused = f"EXISTS (SELECT 1 FROM settings WHERE name = '{upkeep.PAUSED_AT}')"
        statements: list[Statement] = [
            (
                f"SELECT {site.db.dialect.now} AS now, {paused} AS is_paused, "
                "(SELECT COALESCE(MAX(id), 0) FROM task_history) AS newest, "
                "(SELECT value FROM settings WHERE name = 'schema_version') AS schema_version",
                {},
            ),
            (
                f"SELECT id, name, is_paused FROM task_types WHERE {visible} ORDER BY name",
                values,
            ),
        ]
        found, types = site.db.run(lambda connection: connection.send(statements))
        self.now: str = str(found.rows[0]["now"])
        self.newest: int = found.rows[0]["newest"]
        self.schema_version = int(found.rows[0]["schema_version"] or 0)
        self.queue_is_paused = bool(found.rows[0]["is_paused"])
        self.types: Sequence[Row] = types.rows

    def type_ids(self, name: str | None) -> list[int] | None:
        """That of the type, or those of the caller's; None for all types. Raises UnknownType."""
        if name is None:
            return None if self._are_all else [row["id"] for row in self.types]
        for row in self.types:
            if row["name"] == name:
                return [row["id"]]
        raise UnknownType(f"Task type {name!r} is not registered")


class Stats:
    """``counts`` by status, and the same of each type that has tasks (``by_type``); a count that
    nobody keeps is None. ``ended`` is how many tasks completed and failed within a minute, an hour
    and a day, ``mean_run`` how long those took on average that completed within the day; ``waits``
    and ``runs`` are percentiles of the last hour. These are None where no history is kept.
    While the queue ``is_paused``, no task is overdue: all wait on purpose.
    """

    def __init__(self, as_of: str) -> None:
        self.as_of = as_of
        self.is_paused = False
        self.counts: dict[str, int | None] = dict.fromkeys(STATUSES)
        self.by_type: list[tuple[str, dict[str, int]]] = []
        self.oldest_due_age: float | None = None
        self.ended: dict[str, dict[str, int | None]] = {
            end: dict.fromkeys(("minute", "hour", "day")) for end in ENDS
        }
        self.mean_run: float | None = None
        self.waits: dict[str, float | None] = Histogram().percentiles(WAITS)
        self.runs: dict[str, float | None] = Histogram().percentiles(RUNS)


def stats(site: Site, type_name: str | None = None, access: Access | None = None) -> Stats:
    """Of all tasks, or of those of one type, as far as a key is for them. Raises UnknownType."""
    moment = Moment(site, access, type_name)
    type_ids = moment.type_ids(type_name)
    recent = RecentActivity(site, moment, Subject(type_ids))
    reading = read_parts(site, [recent], of_types=type_ids)
    # A single type is shown without tasks, too.
    return stats_from(site, moment, reading, recent, type_ids, type_ids if type_name else ())


def stats_from(
    site: Site,
    moment: Moment,
    reading: Reading,
    recent: RecentActivity,
    type_ids: Sequence[int] | None,
    shown: Sequence[int] | None = (),
) -> Stats:
    """The same from what was read with others; ``shown`` are types that are told of without tasks,
    too.
    """
    found = Stats(moment.now)
    totals = _totals(reading, type_ids, shown)
    found.counts = {status: sum(each[status] for each in totals.values()) for status in STATUSES}
    names = {row["id"]: row["name"] for row in moment.types}
    found.by_type = sorted((names.get(each, ""), counts) for each, counts in totals.items())
    found.is_paused = moment.queue_is_paused
    if not found.is_paused:
        pending = {each for each, counts in totals.items() if counts["pending"]}
        found.oldest_due_age = oldest_due_age(site, moment.types, type_ids, pending.__contains__)
    recent.tell(found, reading)
    return found


def stats_of_worker(site: Site, worker_id: str) -> Stats:
    """What one worker holds and has done, of all types."""
    moment = Moment(site)
    found = Stats(moment.now)
    subject = Subject(worker_id=worker_id)
    index = site.db.dialect.by_index("tasks_claim")
    held = (
        f"SELECT COUNT(*) AS total FROM tasks {index} "
        "WHERE status = 'claimed' AND claimed_by = :worker_id"
    )
    found.counts["claimed"] = site.db.run(
        lambda connection: connection.query(held, {"worker_id": worker_id})
    )[0]["total"]
    recent = RecentActivity(site, moment, subject)
    if recent.statements:
        recent.tell(found, read_parts(site, [recent]))
    return found


def _totals(
    reading: Reading, type_ids: Sequence[int] | None, shown: Sequence[int] | None
) -> dict[int, dict[str, int]]:
    """How many tasks there are in each status, by type: of those that have any, or are to be shown
    without.
    """
    totals = {each: dict.fromkeys(STATUSES, 0) for each in shown or ()}
    own = None if type_ids is None else set(type_ids)
    for (each, status, _), total in reading.counts.items():
        if own is None or each in own:
            totals.setdefault(each, dict.fromkeys(STATUSES, 0))[status] += total
    return totals


def _hour_step(subject: Subject) -> int:
    return MINUTE if subject.worker_id is None else QUARTER


class RecentActivity(Part):
    """What a subject did within a minute, an hour and a day. Nothing where no history is kept."""

    def __init__(self, site: Site, moment: Moment, subject: Subject) -> None:
        self._moment = moment
        self._subject = subject
        if site.settings.enable_task_history:
            sql, step = site.db.dialect, _hour_step(subject)
            self.statements = [
                subject.sums(sql, step, starts_of_steps(moment.now, step, HOUR)),
                subject.sums(sql, QUARTER, starts_of_steps(moment.now, QUARTER, DAY)),
                *last_minute(sql, moment.newest, subject),
            ]

    def tell(self, found: Stats, reading: Reading) -> None:
        if not self.statements:
            return
        of_hour, of_day, oldest, ends = self.results
        hour_rows = [*of_hour.rows, *self._tail(reading, _hour_step(self._subject), HOUR)]
        day_rows = [*of_day.rows, *self._tail(reading, QUARTER, DAY)]
        hour, day = Histogram(), Histogram()
        hour.add(hour_rows)
        day.add(day_rows)
        minute = ended(oldest, ends, self._moment.newest)
        found.ended = {
            end: {"minute": minute.get(end, 0), "hour": hour.total(end), "day": day.total(end)}
            for end in ENDS
        }
        found.mean_run = mean_seconds(day_rows, "completed")
        found.waits = hour.percentiles(WAITS)
        found.runs = hour.percentiles(RUNS)

    def _tail(self, reading: Reading, step: int, seconds: int) -> list[Row]:
        """The rows of the last so many seconds that are not rolled up."""
        first = starts_of_steps(self._moment.now, step, seconds)[0]
        tail = self._subject.of_tail(reading.tail)
        return [row for row in tail if row["minute"] >= first[:16]]
