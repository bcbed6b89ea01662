"""How the whole queue is doing, for one page: all of its panels from one reading."""

from __future__ import annotations

from app.errors import OldTables
from app.queue.held_tasks import held_counts
from app.queue.statistics.activity import Subject, starts_of_steps
from app.queue.statistics.failures import failures_from, newest_examples
from app.queue.statistics.parts import Part, SingleQuery, read_more, read_parts
from app.queue.statistics.series import Steps
from app.queue.statistics.stats import DAY, ENDS, Moment, RecentActivity, stats_from
from app.queue.statistics.stored import HOUR
from app.queue.statistics.type_activity import Busiest, LastHour
from app.queue.verdict import judge
from app.queue.verdict_facts import MOST_GROUPS, Circumstances
from app.queue.worker_states import WorkerDetails, newest_workers, worker_totals
from app.version import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.db.connection import Row, Statement
    from app.queue.access import Access
    from app.queue.statistics.failures import FailureGroup
    from app.queue.statistics.reading import Reading
    from app.queue.statistics.series import Series
    from app.queue.statistics.stats import Stats
    from app.queue.statistics.type_activity import TypeActivity
    from app.queue.verdict import Verdict
    from app.queue.worker_states import WorkerState
    from app.site import Site

SHOWN = 6
"""So many types, groups of failures, workers and schedules are told of; each has a page."""


class Overview:
    """``ended`` is how many tasks ``completed`` and ``failed`` within the ``hour``, the ``day`` and
    the ``week``. ``types`` are the busiest of the last hour and those of which most tasks failed,
    the busiest one first. ``schedules`` are the next ones: ``name``, ``type_name``, ``cron``,
    ``every_seconds``, ``timezone``, ``next_at`` and ``seconds`` until then. ``workers`` and
    ``workers_alive`` are None where a key is for some types: what they do is about all of them.
    """

    def __init__(self, verdict: Verdict, stats: Stats, series: Series) -> None:
        self.as_of = stats.as_of
        self.verdict = verdict
        self.stats = stats
        self.series = series
        self.ended: Mapping[str, Mapping[str, int | None]] = {}
        self.types: Sequence[tuple[str, TypeActivity]] = ()
        self.failures: Sequence[FailureGroup] = ()
        self.workers: Sequence[WorkerState] | None = None
        self.workers_alive: int | None = None
        self.schedules: Sequence[Row] = ()


def overview(
    site: Site,
    period: str = "hour",
    access: Access | None = None,
    cron_age: float | None = None,
) -> Overview:
    """``period`` is that of the series, ``cron_age`` as ``verdict`` takes it. Seven round trips in
    the usual case, however many tasks there are. Raises OldTables.
    """
    moment = Moment(site, access)
    if moment.schema_version < SCHEMA_VERSION:
        raise OldTables(
            f"the tables are of version {moment.schema_version} and this release needs "
            f"{SCHEMA_VERSION}: run the upgrade"
        )
    return _Panels(site, moment, period, access, cron_age).read()


class _Panels:
    def __init__(
        self,
        site: Site,
        moment: Moment,
        period: str,
        access: Access | None,
        cron_age: float | None,
    ) -> None:
        sql = site.db.dialect
        self._site = site
        self._moment = moment
        self._type_ids = moment.type_ids(None)
        subject = Subject(self._type_ids)
        self._recent = RecentActivity(site, moment, subject)
        self._steps = Steps(site, moment, subject, period)
        self._week = _Week(site, moment, subject)
        self._busiest = Busiest(site, moment.now)
        self._circumstances = Circumstances(site, access, cron_age)
        self._parts: list[Part] = [
            self._recent,
            self._steps,
            self._week,
            self._busiest,
            self._circumstances,
        ]
        self._schedules = SingleQuery(_next_schedules(site, access))
        self._of_all: list[SingleQuery] = []
        if access is None or access.type_patterns is None:
            self._of_all = [
                SingleQuery(newest_workers(sql, SHOWN)),
                SingleQuery(worker_totals(sql)),
                SingleQuery(held_counts(sql)),
            ]

    def read(self) -> Overview:
        site, moment = self._site, self._moment
        names = {row["id"]: row["name"] for row in moment.types}
        parts = [*self._parts, self._schedules, *self._of_all]
        reading = read_parts(site, parts, newest_examples(site))
        stats = stats_from(site, moment, reading, self._recent, self._type_ids)
        groups = failures_from(site, reading, names, self._type_ids, MOST_GROUPS)
        facts = self._circumstances.facts(moment, reading, stats, self._busiest, groups)
        found = Overview(judge(facts, site.settings), stats, self._steps.series(reading))
        found.ended = self._week.with_week(reading, stats)
        found.failures = groups[:SHOWN]
        found.schedules = self._schedules.rows
        self._tell_more(found, reading, names)
        return found

    def _tell_more(self, found: Overview, reading: Reading, names: Mapping[int, str]) -> None:
        """What depends on which types and workers were found."""
        site, moment = self._site, self._moment
        ended = {
            each: counts for each, counts in self._busiest.ended(reading).items() if each in names
        }
        last_hour = LastHour(site, moment.now, _to_show(ended))
        parts: list[Part] = [last_hour]
        details = None
        if self._of_all:
            newest, totals, held = (each.rows for each in self._of_all)
            details = WorkerDetails(site, moment.now, newest)
            parts += details.parts
            found.workers_alive = int(totals[0]["alive"] or 0)
        later = read_more(site, reading, parts)
        activity = last_hour.by_type(later)
        found.types = sorted(
            ((names[each], own) for each, own in activity.items()),
            key=lambda item: (-item[1].ended, item[0]),
        )
        if details is not None:
            found.workers = details.states(later, held)


class _Week(SingleQuery):
    """How many tasks completed and failed within a week."""

    def __init__(self, site: Site, moment: Moment, subject: Subject) -> None:
        starts = starts_of_steps(moment.now, HOUR, 7 * DAY)
        self._first = starts[0][:16]
        self._subject = subject
        super().__init__(subject.totals(site.db.dialect, HOUR, starts, ENDS))

    def with_week(self, reading: Reading, stats: Stats) -> dict[str, dict[str, int | None]]:
        totals = dict.fromkeys(ENDS, 0)
        tail = self._subject.of_tail(reading.tail)
        for row in (*self.rows, *(row for row in tail if row["minute"] >= self._first)):
            if row["event"] in totals:
                totals[row["event"]] += int(row["total"])
        return {
            end: {
                "hour": stats.ended[end]["hour"],
                "day": stats.ended[end]["day"],
                "week": None if stats.ended[end]["day"] is None else totals[end],
            }
            for end in ENDS
        }


def _to_show(ended: Mapping[int, Mapping[str, int]]) -> list[int]:
    """The busiest types, and those with the most failures."""

    def busy(type_id: int) -> tuple[int, int]:
        return (-sum(ended[type_id].values()), type_id)

    failing = [each for each in ended if ended[each]["failed"]]
    failing.sort(key=lambda each: (-ended[each]["failed"], each))
    shown = failing[: SHOWN // 2]
    rest = sorted((each for each in ended if each not in shown), key=busy)
    return shown + rest[: SHOWN - len(shown)]


def _next_schedules(site: Site, access: Access | None) -> Statement:
    sql = site.db.dialect
    visible, values = ("1 = 1", {}) if access is None else access.types("type_name")
    return (
        "SELECT name, type_name, cron, every_seconds, timezone, next_at, "
        f"-({sql.seconds_since('next_at')}) AS seconds FROM schedules "
        f"{sql.by_index('schedules_next')} WHERE next_at IS NOT NULL AND {visible} "
        f"ORDER BY next_at LIMIT {SHOWN}",
        values,
    )
