"""Whether the queue is being worked on, for alarms: in time, by somebody, and with success."""

from __future__ import annotations

from app.queue import run_lock, upkeep
from app.queue.pause import RESUMED_AT
from app.queue.statistics.activity import FEWEST_ENDED
from app.queue.statistics.stats import stats
from app.queue.workers import since_last_seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Result, Statement
    from app.site import Site


class Limits:
    """``max_age`` of the oldest due task and ``max_silence`` of all workers, in seconds, and the
    ``max_failure_share`` of the tasks that ended within the last hour.
    """

    def __init__(self, max_age: float, max_silence: float, max_failure_share: float) -> None:
        self.max_age = max_age
        self.max_silence = max_silence
        self.max_failure_share = max_failure_share


class QueueHealth:
    """``reasons`` say what is wrong, ``warnings`` what should be looked at, a sentence each. They
    may be read by anybody: no names, no contents. ``is_paused`` where the whole queue is.
    """

    def __init__(self, reasons: list[str], warnings: list[str], is_paused: bool) -> None:
        self.reasons = reasons
        self.warnings = warnings
        self.is_paused = is_paused


def look(site: Site, limits: Limits, cron_age: float | None) -> QueueHealth:
    """``cron_age`` is for how many seconds cron has not run here; None where it never did. Raises a
    DatabaseError.
    """
    found = stats(site)
    ages = _ages(site)
    ended = {end: counts["hour"] for end, counts in found.ended.items()}
    silent = _silent(ages["worker"], limits.max_silence)
    reasons = [
        _late(found.oldest_due_age, ages["resume"], limits.max_age),
        silent,
        _failing(ended["completed"] or 0, ended["failed"] or 0, limits.max_failure_share),
    ]
    # Where no worker is seen, that is said already.
    warning = "" if silent else _unattended(cron_age, ages["web_run"], limits.max_silence)
    told = [each for each in reasons if each]
    return QueueHealth(told, [warning] if warning else [], found.is_paused)


def _late(age: float | None, resumed: float | None, limit: float) -> str:
    """What waited while the queue was paused has time from the resume on."""
    if age is None or age <= limit or (resumed is not None and resumed <= limit):
        return ""
    return (
        f"the oldest due task has waited for {_span(age)}, and {_span(limit)} are the limit: are "
        "there enough workers for its type?"
    )


def _silent(seconds: float | None, limit: float) -> str:
    """Where no worker was ever seen, the first task that waits too long tells."""
    if seconds is None or seconds <= limit:
        return ""
    return (
        f"no worker was seen for {_span(seconds)}, and {_span(limit)} are the limit: does cron "
        "run, or whatever starts them?"
    )


def _failing(completed: int, failed: int, limit: float) -> str:
    ended = completed + failed
    if ended < FEWEST_ENDED or failed <= limit * ended:
        return ""
    return (
        f"{failed / ended:.0%} of the tasks that ended within the last hour failed, and "
        f"{limit:.0%} are the limit: GET /api/failures says why"
    )


def unattended_seconds(cron: float | None, web_run: float | None, limit: float) -> float | None:
    """For how many seconds neither has come; None if that is not too long. Where neither has ever
    run, the site is not meant to be served by them.
    """
    ages = [each for each in (cron, web_run) if each is not None]
    return min(ages) if ages and min(ages) > limit else None


def _unattended(cron: float | None, web_run: float | None, limit: float) -> str:
    seconds = unattended_seconds(cron, web_run, limit)
    if seconds is None:
        return ""
    return (
        f"neither cron nor a call of /api/run came for {_span(seconds)}: is the cron line there, "
        "or the service that calls the address?"
    )


def _ages(site: Site) -> dict[str, float | None]:
    statements = age_statements(site.db.dialect)
    return ages_from(site.db.run(lambda connection: connection.send(statements)))


AGES = ("worker", "resume", "web_run", "pause")


def age_statements(sql: Dialect) -> list[Statement]:
    """Find for how many seconds no worker was seen, the queue has not been paused any more, no web
    run was on, and the queue has been paused.
    """
    age = f"SELECT {sql.seconds_since('value')} AS age FROM settings WHERE name = :name"
    names = (RESUMED_AT, run_lock.ROW, upkeep.PAUSED_AT)
    return [since_last_seen(sql), *((age, {"name": name}) for name in names)]


def ages_from(results: Sequence[Result]) -> dict[str, float | None]:
    """What ``age_statements`` found, by AGES: each None where it never was."""
    return {
        name: float(result.rows[0]["age"]) if result.rows else None
        for name, result in zip(AGES, results)
    }


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
