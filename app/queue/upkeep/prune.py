"""Pruning: what has ended is deleted when it has been kept long enough (docs/operations.md)."""

from __future__ import annotations

from app.queue import upkeep
from app.queue.upkeep import prune_records
from app.queue.upkeep.cursors import Cursors
from app.queue.upkeep.prune_tasks import SWEEP_SHARE, TaskPruner, sweep_name
from app.queue.upkeep.retention import STATUSES, Retention, own_retention

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.queue.upkeep.prune_tasks import Run, Tell
    from app.queue.upkeep.turn import Budget
    from app.site import Site

CURSORS = f"{upkeep.ROWS}prune."
NEXT_PASS = "next"
"""The cursor that holds with which pass the next turn begins."""

RECORDS_SHARE = 3
"""Of a turn's time, this part is enough for what is not a task."""

PATIENT_PAUSE = 1.0
"""Pruning of everything leaves the database to others for as long as it uses it."""


def prune(site: Site, budget: Budget) -> bool:
    """Prune as much as the budget does for. Whether anything is left."""
    return Pruning(site, site.db.run_once, lambda kind, count: None).run_turn(budget)


def prune_everything(site: Site, budget: Budget, tell: Tell) -> bool:
    """Prune all that is over, without haste. Whether anything is left."""
    pruning = Pruning(site, site.db.run, tell, PATIENT_PAUSE)
    return not pruning.prune_everything(budget)


def count_everything(site: Site, tell: Tell) -> None:
    """Tell how much is over, and change nothing."""
    Pruning(site, site.db.run, tell).count_everything()


class Pruning:
    """One run of it: a turn of upkeep, or all at once."""

    def __init__(self, site: Site, run: Run, tell: Tell, pause: float = 0.0) -> None:
        self._run = run
        self._tell = tell
        self._records = prune_records.prunable(site.settings)
        self._cursors = Cursors(CURSORS)
        types, cursors = site.db.run(
            lambda connection: connection.send([own_retention(), self._cursors.look])
        )
        self._cursors.found(cursors.rows)
        self._tasks = TaskPruner(
            run,
            site.db.dialect,
            Retention(site.settings, types.rows),
            tell,
            keeps_keys=site.settings.retain_dedupe_days != 0,
            pause=pause,
        )

    def run_turn(self, budget: Budget) -> bool:
        """Whether anything is left that the budget did not do for."""
        of_records = budget.share(RECORDS_SHARE)
        for records in self._records:
            for _ in range(records.batches):
                count = self._prune_records(records)
                if count < prune_records.BATCH or of_records.is_spent:
                    break
        try:
            return not self._prune_tasks(budget)
        finally:
            self._run(self._cursors.store)

    def prune_everything(self, budget: Budget) -> bool:
        """False if the budget did not do."""
        for records in self._records:
            while self._prune_records(records):
                if budget.is_spent:
                    return False
        return all(self._tasks.prune_all(status, budget) for status in STATUSES)

    def count_everything(self) -> None:
        for records in self._records:
            self._prune_records(records, only_count=True)
        for status in STATUSES:
            self._tasks.count_all(status)

    def _prune_records(self, records: prune_records.Records, only_count: bool = False) -> int:
        count: int = self._run(lambda c: records.prune(c, records.seconds, only_count))
        self._tell(records.kind, count)
        return count

    def _prune_tasks(self, budget: Budget) -> bool:
        passes = self._tasks.passes()
        names = [each.name for each in passes] + [sweep_name(status) for status in STATUSES]
        self._cursors.keep_only([*names, NEXT_PASS])
        of_sweeps = budget.share(SWEEP_SHARE)
        for status in STATUSES:
            self._tasks.sweep(status, self._cursors, of_sweeps)
        first = self._cursors[NEXT_PASS] % max(1, len(passes))
        is_done = True
        for position in [*range(first, len(passes)), *range(first)]:
            is_done = self._tasks.run_pass(passes[position], self._cursors, budget) and is_done
            if budget.is_spent:
                # The one that took all of the time lets the others go first.
                self._cursors[NEXT_PASS] = (position + 1) % len(passes)
                return is_done and position + 1 == first % len(passes)
        return is_done
