"""Whether the queue is being worked on, for alarms: in time, by somebody, and with success."""

from __future__ import annotations

from app.queue.statistics.activity import FEWEST_ENDED
from app.queue.statistics.stats import stats
from app.queue.workers import since_last_seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.site import Site


class Limits:
    """``max_age`` of the oldest due task and ``max_silence`` of all workers, in seconds, and the
    ``max_failure_share`` of the tasks that ended within the last hour.
    """

    def __init__(self, max_age: float, max_silence: float, max_failure_share: float) -> None:
        self.max_age = max_age
        self.max_silence = max_silence
        self.max_failure_share = max_failure_share


def reasons(site: Site, limits: Limits) -> list[str]:
    """What is wrong, a sentence each. They may be read by anybody: no names, no contents.

    Raises a DatabaseError.
    """
    found = stats(site)
    ended = {end: counts["hour"] for end, counts in found.ended.items()}
    told = [
        _late(found.oldest_due_age, limits.max_age),
        _silent(_seconds_since_a_worker(site), limits.max_silence),
        _failing(ended["completed"] or 0, ended["failed"] or 0, limits.max_failure_share),
    ]
    return [each for each in told if each]


def _late(age: float | None, limit: float) -> str:
    if age is None or age <= limit:
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


def _seconds_since_a_worker(site: Site) -> float | None:
    """None where none was ever seen."""
    look = since_last_seen(site.db.dialect)
    rows = site.db.run(lambda connection: connection.query(*look))
    return rows[0]["age"] if rows else None


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"
