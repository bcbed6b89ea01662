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

    from app.db.connection import Row
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
            listed, values = text_list("start", starts)
            workers, own = text_list("worker", worker_ids)
            events, names = text_list("event", COUNTED)
            sums = "SUM(total) AS total, SUM(total_seconds) AS total_seconds"
            # In the order of the primary key first: then this takes half as long.
            quarters = (
                f"SELECT started_at, worker_id, event, {sums} FROM worker_activity "
                f"{site.db.dialect.by_primary_key} WHERE step_seconds = {QUARTER} "
                f"AND started_at IN ({listed}) AND worker_id IN ({workers}) "
                f"AND event IN ({events}) GROUP BY started_at, worker_id, event"
            )
            self.statements = [
                (
                    f"SELECT worker_id, event, {sums} FROM ({quarters}) AS q "
                    "GROUP BY worker_id, event",
                    {**values, **own, **names},
                )
            ]

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
