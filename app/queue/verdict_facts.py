"""What a verdict judges, read with the statistics in one round trip, beside those of its parts."""

from __future__ import annotations

from app.queue.held_tasks import silent_holders
from app.queue.queue_health import AGES, age_statements, ages_from
from app.queue.statistics.activity import Subject
from app.queue.statistics.failures import failures_from, newest_examples
from app.queue.statistics.parts import Part, read_parts
from app.queue.statistics.stats import Moment, RecentActivity, stats_from
from app.queue.statistics.type_activity import Busiest
from app.queue.upkeep.prune_tasks import LAGS
from app.queue.upkeep.retention import OWN_RETENTION, STATUSES, Retention
from app.queue.verdict import judge, old_tables
from app.version import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.db.connection import Dialect, Row, Statement
    from app.queue.access import Access
    from app.queue.statistics.failures import FailureGroup
    from app.queue.statistics.reading import Reading
    from app.queue.statistics.stats import Stats
    from app.queue.verdict import Verdict
    from app.site import Site

MOST_TOLD = 10
"""Of so many silent workers and schedules is told; a page has room for fewer."""

OLDEST = 100
"""So many tasks of a status are looked at, those made first, to see whether pruning keeps up."""

MOST_GROUPS = 20

SCHEDULE_HISTORY_SECONDS = 86400
"""How long a time that made no task, or a task that failed, is told of."""


class EndedTasks:
    """What became of a type's tasks within the hour; ``error`` is the commonest of those that are
    failed now, None where that is not known.
    """

    def __init__(self, name: str, completed: int, failed: int) -> None:
        self.name = name
        self.completed = completed
        self.failed = failed
        self.error: str | None = None
        self.error_group: int | None = None


class HeldType:
    """A type whose tasks may not all be claimed: it is paused, not active, or limited."""

    def __init__(self, row: Row, counts: Mapping[str, int]) -> None:
        self.name: str = row["name"]
        self.is_paused = bool(row["is_paused"])
        self.is_active = bool(row["is_active"])
        self.max_running: int | None = row["max_running"]
        self.pending = counts.get("pending", 0)
        self.waiting = self.pending + counts.get("scheduled", 0)
        running = counts.get("claimed", 0)
        self.is_full = self.max_running is not None and running >= self.max_running


class Facts:
    """``waiting`` is how many tasks are pending. In seconds, each None where it never was:
    ``silent_seconds`` since when no worker was seen, ``paused_seconds`` since when the queue has
    been paused, ``resumed_seconds`` since when it is not any more, ``web_run_age`` and
    ``cron_age`` since when no web run was on and cron did not run.
    """

    def __init__(self, as_of: str) -> None:
        self.as_of = as_of
        self.waiting = 0
        self.oldest_due_age: float | None = None
        self.silent_seconds: float | None = None
        self.paused_seconds: float | None = None
        self.resumed_seconds: float | None = None
        self.web_run_age: float | None = None
        self.cron_age: float | None = None
        self.silent_holders: Sequence[Row] = ()
        self.ended: Sequence[EndedTasks] = ()
        self.schedules: Sequence[Row] = ()
        self.held_types: Sequence[HeldType] = ()
        self.kept_too_long: Mapping[str, int] = {}
        self.statistics_are_behind = False


def verdict(site: Site, access: Access | None = None, cron_age: float | None = None) -> Verdict:
    """Of all that a key is for. ``cron_age`` is for how many seconds cron has not run here, None
    where it never did (``app.cron_run``). Six round trips in the usual case, however many tasks
    there are. Raises a DatabaseError.
    """
    moment = Moment(site, access)
    if moment.schema_version < SCHEMA_VERSION:
        return old_tables(moment.now, moment.schema_version, SCHEMA_VERSION)
    type_ids = moment.type_ids(None)
    recent = RecentActivity(site, moment, Subject(type_ids))
    busiest, circumstances = Busiest(site, moment.now), Circumstances(site, access, cron_age)
    reading = read_parts(site, [recent, busiest, circumstances], newest_examples(site))
    stats = stats_from(site, moment, reading, recent, type_ids)
    names = {row["id"]: row["name"] for row in moment.types}
    groups = failures_from(site, reading, names, type_ids, MOST_GROUPS)
    facts = circumstances.facts(moment, reading, stats, busiest, groups)
    return judge(facts, site.settings)


class Circumstances(Part):
    """What is read for a verdict alone. Of workers nothing where a key is for some types: what they
    do is about all of them.
    """

    def __init__(self, site: Site, access: Access | None, cron_age: float | None) -> None:
        sql = site.db.dialect
        self._retention = RetentionLook(site)
        self._sees_all = access is None or access.type_patterns is None
        self._cron_age = cron_age
        self.statements = [
            *age_statements(sql),
            _limited_types(access),
            _schedules(sql, access),
            silent_holders(sql, MOST_TOLD),
            *self._retention.statements,
        ]

    def facts(
        self,
        moment: Moment,
        reading: Reading,
        stats: Stats,
        busiest: Busiest,
        groups: Sequence[FailureGroup],
    ) -> Facts:
        ages = ages_from(self.results)
        types, schedules, holders, *others = self.results[len(AGES) :]
        found = Facts(stats.as_of)
        found.waiting = stats.counts["pending"] or 0
        found.oldest_due_age = stats.oldest_due_age
        found.silent_seconds = ages["worker"]
        found.paused_seconds, found.resumed_seconds = ages["pause"], ages["resume"]
        found.ended = _ended(moment, reading, busiest, groups)
        counts = dict(stats.by_type)
        found.held_types = [HeldType(row, counts.get(row["name"], {})) for row in types.rows]
        found.schedules = schedules.rows
        if self._sees_all:
            found.silent_holders = holders.rows
            found.web_run_age, found.cron_age = ages["web_run"], self._cron_age
        found.kept_too_long = self._retention.kept_too_long([each.rows for each in others])
        found.statistics_are_behind = reading.is_behind
        return found


class RetentionLook:
    """The oldest tasks of each status that is not kept for ever."""

    def __init__(self, site: Site) -> None:
        sql, retention = site.db.dialect, Retention(site.settings, [])
        self._statuses = [each for each in STATUSES if retention.seconds(each) is not None]
        self.statements = [
            _over(sql, each, (retention.seconds(each) or 0.0) + 2 * LAGS["late"])
            for each in self._statuses
        ]

    def kept_too_long(self, found: Sequence[Sequence[Row]]) -> dict[str, int]:
        return {
            status: int(rows[0]["total"]) for status, rows in zip(self._statuses, found) if rows
        }


def _over(sql: Dialect, status: str, seconds: float) -> Statement:
    """Finds how many of the oldest tasks of a status ended longer ago than that, but for those of
    types that have a retention of their own.
    """
    oldest = (
        f"SELECT id FROM tasks {sql.by_index('tasks_created')} WHERE status = '{status}' "
        f"ORDER BY id LIMIT {OLDEST}"
    )
    own = f"SELECT id FROM task_types WHERE {OWN_RETENTION}"
    return (
        f"SELECT COUNT(*) AS total FROM ({oldest}) AS oldest {sql.then_join} tasks AS t "
        f"{sql.by_primary_key} ON t.id = oldest.id WHERE t.completed_at < "
        f"{sql.after(str(-seconds))} AND t.type_id NOT IN ({own})",
        {},
    )


def _limited_types(access: Access | None) -> Statement:
    visible, values = ("1 = 1", {}) if access is None else access.types()
    return (
        "SELECT name, is_paused, is_active, max_running FROM task_types WHERE archived_at IS NULL "
        f"AND (is_paused = 1 OR is_active = 0 OR max_running IS NOT NULL) AND {visible} "
        "ORDER BY name",
        values,
    )


def _schedules(sql: Dialect, access: Access | None) -> Statement:
    """Finds those of which something may be wrong, with what became of their newest time."""
    visible, values = ("1 = 1", {}) if access is None else access.types("schedules.type_name")
    lately = f"last.made_at > {sql.after(str(-SCHEDULE_HISTORY_SECONDS))}"
    newest = (
        "SELECT MAX(newest.due_at) FROM schedule_runs AS newest "
        "WHERE newest.schedule_id = schedules.id"
    )
    return (
        f"SELECT schedules.name, {sql.seconds_since('schedules.next_at')} AS overdue_seconds, "
        "last.due_at AS last_due_at, last.task_id AS last_task_id, last.message AS last_message, "
        "tasks.status AS last_status FROM schedules LEFT JOIN schedule_runs AS last "
        f"ON last.schedule_id = schedules.id AND last.due_at = ({newest}) AND {lately} "
        "LEFT JOIN tasks ON tasks.id = last.task_id WHERE schedules.is_paused = 0 "
        f"AND {visible} AND (schedules.next_at < {sql.now} OR tasks.status = 'failed' OR "
        "last.message IS NOT NULL AND last.message <> 'run by hand') "
        f"ORDER BY schedules.name LIMIT {MOST_TOLD}",
        values,
    )


def _ended(
    moment: Moment, reading: Reading, busiest: Busiest, groups: Sequence[FailureGroup]
) -> list[EndedTasks]:
    """Of the types that the key is for; groups come with the largest one first."""
    names = {row["id"]: row["name"] for row in moment.types}
    found = {
        names[each]: EndedTasks(names[each], counts["completed"], counts["failed"])
        for each, counts in busiest.ended(reading).items()
        if each in names
    }
    for group in reversed(groups):
        if group.type in found:
            found[group.type].error = group.error
            found[group.type].error_group = group.error_group
    return list(found.values())
