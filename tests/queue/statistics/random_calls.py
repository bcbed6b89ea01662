"""Random calls of a queue, and what its counts have to be."""

from __future__ import annotations

import contextlib
import random
from typing import Any

from app.errors import DatabaseBusy, QueueError
from app.queue.cancel import cancel
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.delete import delete
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.release import Release, release_all
from app.queue.retry import retry
from app.queue.settle import Completion, Failure, Outcome, settle
from app.queue.statistics.reading import Reading, read
from app.queue.statistics.recount import count_statements, counted
from app.site import Site
from tests.support.queue import register

TYPES = ("a", "b", "c")
ERRORS = ("no row 1", "no row 2", "other")


class RandomCalls:
    """One client's. Refusals are part of it: several clients get into each other's way."""

    def __init__(self, site: Site, seed: int, deletes: bool = True) -> None:
        self._site = site
        self._random = random.Random(seed)
        self._deletes = deletes
        self._worker = f"w{seed}"
        self._held: list[LeaseRef] = []
        self._tasks: list[int] = []

    def prepare(self) -> None:
        for name in TYPES:
            register(self._site, name, max_attempts=2)

    def call(self) -> None:
        calls = [self._create] * 2 + [self._claim] * 3 + [self._settle] * 3
        calls += [self._cancel, self._retry, self._retry, self._let_time_pass]
        calls += [self._delete] if self._deletes else []
        calls += [self._leave] if self._random.random() < 0.1 else []
        with contextlib.suppress(QueueError, DatabaseBusy):
            self._random.choice(calls)()

    def _create(self) -> None:
        tasks = [
            NewTask(
                self._random.choice(TYPES),
                {},
                dedupe=False,
                delay=self._random.choice([None, None, 1000]),
            )
            for _ in range(self._random.randint(1, 5))
        ]
        self._tasks += [each.id for each in create(self._site, tasks)]

    def _claim(self) -> None:
        request = ClaimRequest(self._worker, self._random.randint(1, 4), 1000)
        for task in claim(self._site, request).tasks:
            self._held.append(LeaseRef(task["id"], self._worker, task["attempts"]))

    def _settle(self) -> None:
        self._random.shuffle(self._held)
        outcomes = [self._outcome(each) for each in self._held[:3]]
        del self._held[:3]
        if outcomes:
            settle(self._site, outcomes)

    def _outcome(self, held: LeaseRef) -> Outcome:
        error = self._random.choice(ERRORS)
        return self._random.choice(
            [
                Completion(held, None),
                Failure(held, error),
                Failure(held, error, retry=False),
                Release(held, self._random.choice([0, 1000])),
            ]
        )

    def _any_task(self) -> int:
        return self._random.choice(self._tasks or [0])

    def _cancel(self) -> None:
        cancel(self._site, self._any_task())

    def _retry(self) -> None:
        retry(self._site, self._any_task())

    def _delete(self) -> None:
        delete(self._site, self._any_task())

    def _leave(self) -> None:
        release_all(self._site, self._worker)

    def _let_time_pass(self) -> None:
        """Some leases expire, and some scheduled tasks are due."""
        sql = self._site.db.dialect
        update = (
            f"UPDATE tasks SET due_at = {sql.after('-1')} "
            f"WHERE due_at IS NOT NULL AND id % 4 = {self._random.randrange(4)}"
        )
        self._site.db.run(lambda connection: connection.send([(update, {})]))


def check_counts(site: Site) -> Reading:
    """What is read of the counts is what the tasks are, both at one moment."""
    reading = read(site, count_statements(site.db.dialect))
    counts, groups = reading.results
    truth = counted(counts.rows, groups.rows).totals
    assert reading.counts == {key: total for key, total in truth.items() if total}
    return reading


def stored_counts(site: Site) -> dict[Any, int]:
    """What is rolled up of them."""
    found = site.db.run(lambda connection: connection.query("SELECT * FROM task_counts", {}))
    return {(row["type_id"], row["status"], row["error_group"]): row["total"] for row in found}
