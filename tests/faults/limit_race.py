"""Sixteen workers race over types with limits, while a watcher looks at the database.

    python -m tests.faults.limit_race 60              # on MariaDB and on SQLite
    python -m tests.faults.limit_race 60 galera       # at three nodes

Workers complete, fail, release and abandon what they claim; people cancel, retry, delete and change
priorities meanwhile. Prints how often the watcher looked and what it saw at most.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from app.errors import DatabaseBusy, QueueError
from app.queue import cancel, delete, priority, retry
from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.claim import ClaimRequest
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.release import Release
from app.queue.settle import Completion, Failure, Outcome, settle
from app.site import Site
from tests.support.queue import register, site_at

T = TypeVar("T")

WORKERS = 16
READY_SECONDS = 300
KEYS = ("a", "b", "c", "d", "e")
LIMITS: dict[str, dict[str, Any]] = {
    "free": {},
    "running": {"max_running": 3},
    "rated": {"rate": {"tasks": 20, "seconds": 1.0}},
    "rated rarely": {"rate": {"tasks": 3, "seconds": 2.5}},
    "keyed": {"max_per_key": 2},
    "all": {"max_running": 4, "max_per_key": 1, "rate": {"tasks": 15, "seconds": 1.0}},
}
WAITING = 30
"""How many tasks of each type the producer keeps waiting."""


class Seen(NamedTuple):
    """What the watcher saw: how often it looked, how many tasks of a type, or of a type and key,
    it found claimed at most; how many claims there were, and the most within the rate's period.
    """

    looks: int
    running: dict[str, int]
    per_key: dict[str, int]
    claims: dict[str, int]
    within_period: dict[str, int]
    errors: list[str]

    def exceeded(self) -> list[str]:
        found = []
        for name, limits in LIMITS.items():
            rate = limits.get("rate", {}).get("tasks")
            for limit, seen in (
                (limits.get("max_running"), self.running),
                (limits.get("max_per_key"), self.per_key),
                (rate, self.within_period),
            ):
                if limit is not None and seen.get(name, 0) > limit:
                    found.append(f"{name}: {seen[name]} and not {limit} ({limits})")
        return found

    def table(self) -> str:
        lines = [f"{self.looks} looks", "type | claims | most claimed | of a key | in a period"]
        lines += [
            f"{name} {limits} | {self.claims.get(name, 0)} | {self.running.get(name, 0)} | "
            f"{self.per_key.get(name, 0)} | {self.within_period.get(name, '-')}"
            for name, limits in LIMITS.items()
        ]
        return "\n".join(lines)


def race(urls: Sequence[str], seconds: float) -> Seen:
    """Each of the workers uses one of these addresses of one queue."""
    site = site_at(urls[0])
    for name, limits in LIMITS.items():
        register(site, name, **limits, retry_delay=0, max_attempts=5)
    context = multiprocessing.get_context("spawn")
    over, errors, ready = context.Event(), context.Queue(), context.Barrier(WORKERS + 3)
    works: list[tuple[Callable[..., None], int]] = [(_work, number) for number in range(WORKERS)]
    works += [(_produce, WORKERS), (_operate, WORKERS + 1)]
    processes = [
        context.Process(
            target=_run, args=(work, urls[number % len(urls)], number, ready, over, errors)
        )
        for work, number in works
    ]
    for process in processes:
        process.start()
    ready.wait(READY_SECONDS)
    seen = _watch(site_at(urls[-1]), time.monotonic() + seconds)
    over.set()
    told = []
    for process in processes:
        process.join(60)
        if process.exitcode != 0:
            told.append(f"a process ended with {process.exitcode}")
    while not errors.empty():
        told.append(errors.get())
    claims, most = _rates(site)
    return Seen(*seen, claims, most, told)


def _run(
    work: Callable[..., None], url: str, number: int, ready: Any, over: Any, errors: Any
) -> None:
    site = site_at(url)
    chance = random.Random(number)
    try:
        ready.wait(READY_SECONDS)
        while not over.is_set():
            work(site, number, chance)
    except Exception:
        errors.put(traceback.format_exc())
    site.db.close()


def patiently(call: Callable[..., T], *arguments: Any) -> T:
    """What a client does that is told that the queue is busy: it asks again."""
    while True:
        try:
            return call(*arguments)
        except DatabaseBusy:
            time.sleep(0.05)


def _work(site: Site, number: int, chance: random.Random) -> None:
    worker = f"w{number}"
    lease = chance.choice((0.2, 30, 30, 30))
    request = ClaimRequest(worker, chance.choice((1, 1, 3, 20)), lease)
    taken = patiently(claiming.claim, site, request).tasks
    time.sleep(chance.choice((0, 0.01, 0.05)))
    if lease < 1 and chance.random() < 0.7:
        return  # whoever claims next takes them back
    outcomes = [_outcome(LeaseRef(task["id"], worker, task["attempts"]), chance) for task in taken]
    if outcomes:
        patiently(settle, site, outcomes)
    else:
        time.sleep(0.01)


def _outcome(lease_ref: LeaseRef, chance: random.Random) -> Outcome:
    roll = chance.random()
    if roll < 0.6:
        return Completion(lease_ref, None)
    if roll < 0.8:
        return Failure(lease_ref, "failed", delay=chance.choice((0.0, 0.1)))
    return Release(lease_ref, chance.choice((0.0, 0.0, 0.2)))


def _produce(site: Site, number: int, chance: random.Random) -> None:
    """Keeps so many of each type waiting."""
    waiting = Counter(
        {row["name"]: row["total"] for row in site.db.run(lambda c: c.query(WAITING_SQL, {}))}
    )
    tasks = [
        NewTask(
            name,
            {},
            dedupe=False,
            priority=chance.choice((0, 0, 0, 5)),
            delay=chance.choice((None, None, 0.2)),
            concurrency_key=chance.choice((*KEYS, "a", "a", None)),
        )
        for name in LIMITS
        for _ in range(max(0, WAITING - waiting[name]))
    ]
    if tasks:
        patiently(creating.create, site, tasks)
    time.sleep(0.05)


WAITING_SQL = (
    "SELECT name, COUNT(*) AS total FROM tasks JOIN task_types ON task_types.id = type_id "
    "WHERE status IN ('pending', 'scheduled', 'blocked', 'throttled') GROUP BY name"
)


def _operate(site: Site, number: int, chance: random.Random) -> None:
    look = "SELECT id, attempts FROM tasks ORDER BY id DESC LIMIT 400"
    rows = site.db.run(lambda c: c.query(look, {}))
    for row in chance.sample(rows, min(5, len(rows))):
        action = chance.choice((cancel.cancel, retry.retry, delete.delete, _hurry))
        if action is delete.delete and row["attempts"]:
            continue  # its claims are to be counted
        with contextlib.suppress(QueueError):  # it has ended, is claimed, or is gone
            patiently(action, site, row["id"])
    time.sleep(0.02)


def _hurry(site: Site, task_id: int) -> None:
    priority.set_priority(site, task_id, 9)


CLAIMED = (
    "SELECT name, concurrency_key, COUNT(*) AS total FROM tasks "
    "JOIN task_types ON task_types.id = type_id WHERE status = 'claimed' "
    "GROUP BY name, concurrency_key"
)


def _watch(site: Site, ends_at: float) -> tuple[int, dict[str, int], dict[str, int]]:
    """One statement sees one moment."""
    looks = 0
    most: dict[str, int] = {}
    most_of_key: dict[str, int] = {}
    while time.monotonic() < ends_at:
        running: Counter[str] = Counter()
        for row in site.db.run(lambda c: c.query(CLAIMED, {})):
            running[row["name"]] += row["total"]
            if row["concurrency_key"] is not None:
                most_of_key[row["name"]] = max(most_of_key.get(row["name"], 0), row["total"])
        for name, total in running.items():
            most[name] = max(most.get(name, 0), total)
        looks += 1
        time.sleep(0.002)
    site.db.close()
    return looks, most, most_of_key


def _rates(site: Site) -> tuple[dict[str, int], dict[str, int]]:
    """From the history: how many claims there were, and the most in any period of the rate."""
    told = (
        f"SELECT name, {site.db.dialect.seconds_since('task_history.created_at')} AS age "
        "FROM task_history JOIN tasks ON tasks.id = task_id "
        "JOIN task_types ON task_types.id = type_id WHERE task_history.status = 'claimed'"
    )
    times: dict[str, list[float]] = defaultdict(list)
    # All ages are as of one moment: that of the statement.
    for row in site.db.run(lambda c: c.query(told, {})):
        times[row["name"]].append(-float(row["age"]))
    most = {}
    for name, claimed in times.items():
        claimed.sort()
        if "rate" in LIMITS[name]:
            period = LIMITS[name]["rate"]["seconds"]
            most[name] = most_within(claimed, period)
    return {name: len(claimed) for name, claimed in times.items()}, most


def most_within(times: Sequence[float], period: float) -> int:
    """How many of these there are at most in a period, in whichever it begins. Times are in order,
    and whole milliseconds.
    """
    most, end = 0, 0
    for position, first in enumerate(times):
        while end < len(times) and times[end] < first + period - 0.0005:
            end += 1
        most = max(most, end - position)
    return most


def main(seconds: float, engine: str) -> int:
    from tests.support.database import mariadb_with_tables
    from tests.support.mariadb import MariaDB

    seen = {}
    if engine == "galera":
        from tests.support.galera import Galera

        cluster = Galera()
        try:
            cluster.start()
            seen["galera"] = race(cluster.with_tables("tm_race"), seconds)
        finally:
            cluster.remove()
    else:
        with tempfile.TemporaryDirectory() as folder:
            seen["sqlite"] = race([f"sqlite:///{Path(folder) / 'queue.sqlite3'}"], seconds)
        server = MariaDB()
        try:
            server.start()
            seen["mariadb"] = race([mariadb_with_tables(server, "tm_race")], seconds)
        finally:
            server.remove()
    wrong = []
    for name, found in seen.items():
        print(f"{name}: {found.table()}", *found.errors, *found.exceeded(), sep="\n")
        wrong += [*found.errors, *found.exceeded()]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "both"))
