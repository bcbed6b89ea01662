"""What each of several workers ended within a day."""

from __future__ import annotations

from app.db.connection import text_list
from app.queue.statistics.activity import starts_of_steps
from app.queue.statistics.parts import Part
from app.queue.statistics.stats import DAY
from app.queue.statistics.stored import QUARTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.db.connection import Dialect, Row, Statement
    from app.queue.statistics.reading import Reading
    from app.site import Site

COUNTED = ("completed", "failed", "retried")


class WorkerDay:
    """How many attempts of a worker ``completed`` and ``failed``, and how long those that completed
    took on average (``mean_seconds``, None without any).
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.completed = self.failed = 0
        seconds = 0.0
        for row in rows:
            total = int(row["total"])
            if row["event"] == "completed":
                self.completed += total
                seconds += float(row["total_seconds"] or 0)
            else:
                self.failed += total
        self.mean_seconds = seconds / self.completed if self.completed else None


class LastDay(Part):
    """The activity of these workers. Nothing where no history is kept."""

    def __init__(self, site: Site, now: str, worker_ids: Sequence[str]) -> None:
        self._worker_ids = worker_ids
        starts = starts_of_steps(now, QUARTER, DAY)
        self._first = starts[0][:16]
        if site.settings.enable_task_history and worker_ids:
            self.statements = [_sums(site.db.dialect, starts, worker_ids)]

    def by_worker(self, reading: Reading) -> dict[str, WorkerDay]:
        rows: dict[str, list[Row]] = {each: [] for each in self._worker_ids}
        found = self.results[0].rows if self.statements else []
        tail = [
            row for row in reading.tail if row["event"] in COUNTED and row["minute"] >= self._first
        ]
        for row in (*found, *tail):
            if row["worker_id"] in rows:
                rows[row["worker_id"]].append(row)
        return {each: WorkerDay(own) for each, own in rows.items()}


def _sums(sql: Dialect, starts: Sequence[str], worker_ids: Sequence[str]) -> Statement:
    """Finds what these workers ended in the steps that began at these times. It looks up each
    worker's part of each step: as lists after IN, these are some ten thousand ranges that MySQL
    makes plans for, which took 160 ms even where there was nothing to read.
    """
    times = {f"start{number}": start for number, start in enumerate(starts)}
    each_start = " UNION ALL ".join(
        f"SELECT {sql.timestamp(f':{name}')} AS started_at" for name in times
    )
    workers, own = text_list("worker", worker_ids)
    events, names = text_list("event", COUNTED)
    return (
        "SELECT a.worker_id AS worker_id, a.event AS event, SUM(a.total) AS total, "
        f"SUM(a.total_seconds) AS total_seconds FROM workers AS w {sql.by_primary_key} "
        f"{sql.then_join} ({each_start}) AS s "
        f"{sql.then_join} worker_activity AS a {sql.by_primary_key} "
        f"ON a.step_seconds = {QUARTER} AND a.started_at = s.started_at AND a.worker_id = w.id "
        f"WHERE w.id IN ({workers}) AND a.event IN ({events}) GROUP BY a.worker_id, a.event",
        {**times, **own, **names},
    )
