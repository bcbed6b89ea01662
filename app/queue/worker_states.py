"""Workers as people look at them: alive or silent, what each holds, and what it did today."""

from __future__ import annotations

from app import json_text
from app.queue.held_tasks import held_counts, held_tasks
from app.queue.statistics.parts import SingleQuery, read_parts
from app.queue.statistics.totals import SEEN_LATELY
from app.queue.statistics.worker_day import LastDay
from app.queue.workers import COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement
    from app.queue.statistics.reading import Reading
    from app.queue.statistics.worker_day import WorkerDay
    from app.site import Site

STATES = ("alive", "silent", "left")


class WorkerState:
    """``told`` is what is known of the worker: ``id``, ``host``, ``version``, ``concurrency``,
    ``task_types``, ``metadata``, ``registered_at``, ``first_seen_at``, ``last_seen_at``,
    ``deregistered_at``, ``silent_seconds``. ``state`` is one of STATES. It holds ``held`` tasks;
    ``tasks`` are those (``id``, ``type``, ``claimed_at``, ``seconds``, ``due_at`` when its lease
    ends, ``attempts``, ``progress``). ``day`` is what it did within a day.
    """

    def __init__(self, row: Row, held: int, tasks: Sequence[Row], day: WorkerDay) -> None:
        self.told: dict[str, Any] = {
            **row,
            "task_types": json_text.loads(row["task_types_json"]),
            "metadata": json_text.loads(row["metadata_json"]),
        }
        self.state = state_of(row)
        self.held = held
        self.tasks = tasks
        self.day = day


class WorkerPage:
    """Some workers, the last seen one first. ``total`` is how many there are, ``alive`` how many of
    them were seen within five minutes; ``as_of`` is the stored time of all this.
    """

    def __init__(self, as_of: str, workers: Sequence[WorkerState], total: int, alive: int) -> None:
        self.as_of = as_of
        self.workers = workers
        self.total = total
        self.alive = alive


def worker_page(site: Site, limit: int, offset: int = 0) -> WorkerPage:
    """Four round trips, however many tasks there are. Raises a DatabaseError."""
    sql = site.db.dialect
    workers, totals, held = site.db.run(
        lambda connection: connection.send(
            [newest_workers(sql, limit, offset), worker_totals(sql), held_counts(sql)]
        )
    )
    (total,) = totals.rows
    states = worker_states(site, str(total["now"]), workers.rows, held.rows)
    return WorkerPage(str(total["now"]), states, int(total["total"]), int(total["alive"] or 0))


def worker_states(
    site: Site, now: str, workers: Sequence[Row], held: Iterable[Row]
) -> list[WorkerState]:
    """Of the rows that ``newest_workers`` and ``held_counts`` find."""
    if not workers:
        return []
    details = WorkerDetails(site, now, workers)
    return details.states(read_parts(site, details.parts), held)


class WorkerDetails:
    """What is read of some workers besides their own rows, in ``parts``."""

    def __init__(self, site: Site, now: str, workers: Sequence[Row]) -> None:
        self._workers = workers
        ids = [row["id"] for row in workers]
        self._day = LastDay(site, now, ids)
        self._tasks = SingleQuery(held_tasks(site.db.dialect, ids))
        self.parts = [self._day, self._tasks]

    def states(self, reading: Reading, held: Iterable[Row]) -> list[WorkerState]:
        days = self._day.by_worker(reading)
        counts = {row["claimed_by"]: int(row["held"]) for row in held}
        own: dict[str, list[Row]] = {row["id"]: [] for row in self._workers}
        for row in self._tasks.rows:
            own.setdefault(row["claimed_by"], []).append(row)
        return [
            WorkerState(row, counts.get(row["id"], 0), own[row["id"]], days[row["id"]])
            for row in self._workers
        ]


def newest_workers(sql: Dialect, limit: int, offset: int = 0) -> Statement:
    """Finds those that were seen last."""
    return (
        f"SELECT {COLUMNS}, {sql.seconds_since('last_seen_at')} AS silent_seconds FROM workers "
        f"ORDER BY last_seen_at DESC, id LIMIT {int(limit)} OFFSET {int(offset)}",
        {},
    )


def worker_totals(sql: Dialect) -> Statement:
    """Finds how many workers there are (``total``), how many are ``alive``, and what time it is."""
    alive = f"last_seen_at > {sql.after(str(-SEEN_LATELY))} AND deregistered_at IS NULL"
    return (
        f"SELECT {sql.now} AS now, COUNT(*) AS total, "
        f"SUM(CASE WHEN {alive} THEN 1 ELSE 0 END) AS alive FROM workers",
        {},
    )


def state_of(row: Row) -> str:
    if row["deregistered_at"] is not None:
        return "left"
    return "alive" if float(row["silent_seconds"]) <= SEEN_LATELY else "silent"
