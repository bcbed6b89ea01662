"""Calls that are cut off at each of their statements, where types have limits and one schedule is
due.

Either one statement loses its connection, and the call goes on with another one; or the database is
away from then on, and the call ends. Whatever was done by then, no limit is exceeded later, and all
tasks are done in the end: none is held back for ever by what was left.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.db import mysql, sqlite
from app.db.connection import Connection, Result
from app.errors import ConnectionLost, DatabaseError, QueueError
from app.queue import cancel, retry, task_types
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.release import Release
from app.queue.schedules import store
from app.queue.settle import Completion, Failure, settle
from app.queue.upkeep.schedules import make_due_tasks
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.faults.limit_books import exceeded
from tests.support.queue import register

Statement = tuple[str, dict[str, Any]]

LIMITS: dict[str, dict[str, Any]] = {
    "running": {"max_running": 2},
    "keyed": {"max_per_key": 1},
    "rated": {"rate": {"tasks": 4, "seconds": 0.1}},
    "limited": {"max_running": 3, "max_per_key": 2, "rate": {"tasks": 5, "seconds": 0.1}},
}
LEASE = 0.1
TASKS = 4
DRAIN_SECONDS = 30
"""Less than the minute that passes from one look at all limits to the next."""


class Cut:
    """Cuts connections: before statement number ``at`` of those sent, or right ``after`` it."""

    def __init__(self, at: int | None, after: bool, for_good: bool) -> None:
        self.sent = 0
        self._at = at
        self._after = after
        self._for_good = for_good
        self.is_done = False

    def reach(self, statements: int) -> int | None:
        """How many of these statements get through; None: all."""
        if self.is_done:
            return 0 if self._for_good else None
        first, self.sent = self.sent, self.sent + statements
        if self._at is None or self.sent <= self._at:
            return None
        self.is_done = True
        return self._at - first + self._after


@contextlib.contextmanager
def cutting(monkeypatch: pytest.MonkeyPatch, cut: Cut) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for kind in (mysql.MySQLConnection, sqlite.SQLiteConnection):
            patched.setattr(kind, "send", _cut_send(kind.send, cut))
        yield


def _cut_send(send: Callable[..., list[Result]], cut: Cut) -> Callable[..., list[Result]]:
    def cut_send(connection: Connection, statements: list[Statement]) -> list[Result]:
        through = cut.reach(len(statements))
        if through is None:
            return send(connection, statements)
        if through:
            send(connection, statements[:through])
        connection.close()
        raise ConnectionLost("cut off")

    return cut_send


class Story:
    """A queue in which each type has tasks, some of them claimed, and a schedule is due."""

    def __init__(self, site: Site) -> None:
        self.site = site
        for name, limits in LIMITS.items():
            register(site, name, **limits, retry_delay=0, max_attempts=1000)
        create(site, self.new_tasks())
        self.held = [
            LeaseRef(task["id"], "w", task["attempts"]) for task in self.claim(lease=30).tasks
        ]
        store.put(site, "each", {"type": "keyed", "params": {"each": 1}, "every": 1.0})
        sql = site.db.dialect
        self.run((f"UPDATE schedules SET next_at = {sql.after('-0.5')}", {}))

    def run(self, statement: Statement) -> list[Any]:
        return self.site.db.run(lambda connection: connection.send([statement])[0].rows)

    def new_tasks(self) -> list[NewTask]:
        return [
            NewTask(name, {}, dedupe=False, concurrency_key="ab"[number % 2])
            for name in LIMITS
            for number in range(TASKS)
        ]

    def claim(self, lease: float = LEASE) -> Any:
        return claim(self.site, ClaimRequest("w", 9, lease))


def _claim(story: Story) -> None:
    story.claim()


def _settle(story: Story) -> None:
    ends = (lambda ref: Completion(ref, None), lambda ref: Failure(ref, "e"), Release)
    settle(story.site, [ends[n % 3](ref) for n, ref in enumerate(story.held)])


def _create(story: Story) -> None:
    create(story.site, story.new_tasks())


def _cancel_and_retry(story: Story) -> None:
    for row in story.run(("SELECT id FROM tasks ORDER BY id DESC LIMIT 1", {})):
        with contextlib.suppress(QueueError):
            cancel.cancel(story.site, row["id"])
            retry.retry(story.site, row["id"])


def _change_limits(story: Story) -> None:
    """The same ones again, by way of none."""
    for limits in ({"max_per_key": None, "rate": None}, LIMITS["limited"]):
        task_types.register(story.site, "limited", "1", {}, limits)


def _schedule(story: Story) -> None:
    make_due_tasks(story.site, Budget(5))


CALLS = (_claim, _settle, _create, _cancel_and_retry, _change_limits, _schedule)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__.strip("_"))
def test_a_call_that_is_cut_off(
    site: Site, call: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Cut(None, after=False, for_good=False)
    story = Story(site)
    with cutting(monkeypatch, whole):
        call(story)
    for at in range(whole.sent):
        for after, for_good in ((False, True), (True, True), (True, False)):
            _empty(site)
            story = Story(site)
            cut = Cut(at, after, for_good)
            with cutting(monkeypatch, cut), contextlib.suppress(DatabaseError):
                call(story)
            where = f"{call.__name__}, statement {at} of {whole.sent}, {after=}, {for_good=}"
            _finish(story, where)


def _empty(site: Site) -> None:
    tables = (
        *("tasks", "task_history", "task_types", "task_errors", "lanes", "rate_claims"),
        *("schedules", "schedule_runs", "workers", "task_counts", "used_dedupe_keys"),
    )
    site.db.run(lambda connection: connection.transact([(f"DELETE FROM {t}", {}) for t in tables]))


def _finish(story: Story, where: str) -> None:
    """Do what is left, and look at all that was done."""
    settle(story.site, [Completion(ref, None) for ref in story.held])
    make_due_tasks(story.site, Budget(5))
    store.delete(story.site, "each")
    deadline = time.monotonic() + DRAIN_SECONDS
    while story.run(UNFINISHED)[0]["total"]:
        assert time.monotonic() < deadline, f"{where}: {story.run(LEFT)} {story.run(LANES)}"
        taken = story.claim(lease=30).tasks
        ends = [Completion(LeaseRef(task["id"], "w", task["attempts"]), None) for task in taken]
        if ends:
            settle(story.site, ends)
    history: dict[int, list[Any]] = defaultdict(list)
    age = story.site.db.dialect.seconds_since("created_at")
    look = f"SELECT task_id, status, {age} AS age FROM task_history ORDER BY id"
    for line in story.run((look, {})):
        history[line["task_id"]].append({**line, "time": -float(line["age"])})
    assert not list(exceeded(LIMITS, story.run(LIMITED), history)), where
    times = Counter(row["dedupe_key"] for row in story.run(OF_SCHEDULE))
    assert set(times.values()) <= {1}, f"{where}: {times}"
    assert times, where


UNFINISHED: Statement = (
    "SELECT COUNT(*) AS total FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')",
    {},
)
LEFT: Statement = ("SELECT id, type_id, status, due_at FROM tasks WHERE completed_at IS NULL", {})
LIMITED: Statement = (
    "SELECT tasks.id, name AS type, concurrency_key FROM tasks "
    "JOIN task_types ON task_types.id = type_id",
    {},
)
OF_SCHEDULE: Statement = (
    "SELECT dedupe_key FROM tasks WHERE params_json LIKE '%each%'",
    {},
)
LANES: Statement = ("SELECT * FROM lanes", {})
