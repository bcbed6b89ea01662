"""Three Galera nodes that all take writes: what was acknowledged stays, and is done once.

A node undoes a transaction whose rows a rival on another node has changed first, and its COMMIT may
report success all the same. Clients here go from node to node, so that rivals meet all the
time and a settle comes to another node than its claim.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Callable, TypeVar

import pytest

from app.config import from_values
from app.errors import DatabaseBusy, NotFound
from app.queue import cancel, delete, history, leases, retry, task_types
from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.claim import ClaimRequest
from app.queue.fencing import LeaseRef
from app.queue.find_task import find_task
from app.queue.idempotency import IdempotencyKey
from app.queue.new_task import NewTask
from app.queue.release import Release
from app.queue.settle import Completion, Failure, Outcome, settle
from app.queue.upkeep.prune import prune_everything
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.support.galera import Galera

CLIENTS = 6
SECONDS = 12.0
LIMIT = 2

T = TypeVar("T")


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    with Galera() as cluster:
        yield cluster.with_tables("tm_rivals")


@pytest.fixture
def sites(urls: list[str]) -> Iterator[list[Site]]:
    """A site at each node, the tables empty."""
    made = [site_at(url) for url in urls]
    tables = (
        "idempotency_keys",
        "task_history",
        "task_types",
        "tasks",
        "used_dedupe_keys",
        "workers",
    )
    made[0].db.run(lambda c: c.transact([(f"DELETE FROM {table}", {}) for table in tables]))
    task_types.register(made[0], "job", "1", True, {"max_attempts": 1000})
    yield made
    for site in made:
        site.db.close()


def site_at(url: str) -> Site:
    return Site(from_values({"DATABASE_URL": url}))


def rows(site: Site, sql: str) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, {}))


class Client(threading.Thread):
    """Creates, claims and settles at random nodes, and remembers what was acknowledged."""

    def __init__(self, number: int, urls: list[str]) -> None:
        super().__init__()
        self.name = f"client-{number}"
        self.random = random.Random(number)
        self.sites = [site_at(url) for url in urls]
        self.created: list[int] = []
        self.claimed: list[tuple[int, int]] = []
        self.settled: dict[tuple[int, int], str] = {}
        self.refused: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        ends_at = time.monotonic() + SECONDS
        try:
            turn = 0
            while time.monotonic() < ends_at:
                turn += 1
                step = self._create if self.random.random() < 0.4 else self._work
                step(turn)
        except BaseException as error:
            self.error = error
        for site in self.sites:
            site.db.close()

    def _create(self, turn: int) -> None:
        count = self.random.choice([1, 1, 4])
        dedupe = self.random.choice([None, False])
        tasks = [
            NewTask("job", {"by": self.name, "turn": turn, "n": n}, dedupe=dedupe)
            for n in range(count)
        ]
        self.created += [made.id for made in creating.create(self._site(), tasks)]

    def _work(self, turn: int) -> None:
        key = f"turn {turn}" if self.random.random() < 0.5 else None
        request = ClaimRequest(self.name, self.random.choice([1, 1, 5]), 60, key=key)
        taken = claiming.claim(self._site(), request).tasks
        lease_refs = [LeaseRef(task["id"], self.name, task["attempts"]) for task in taken]
        self.claimed += [(task["id"], task["attempts"]) for task in taken]
        if not lease_refs:
            return
        heartbeats = [leases.Heartbeat(lease_ref, 60) for lease_ref in lease_refs]
        self._note_refusals(leases.heartbeat_many(self._site(), heartbeats))
        settled = settle(self._site(), [self._outcome(lease_ref) for lease_ref in lease_refs])
        self._note_refusals(settled)
        for each in settled:
            lease_ref = each.outcome.lease_ref
            self.settled[lease_ref.task_id, lease_ref.attempt or 0] = each.outcome.kind

    def _outcome(self, lease_ref: LeaseRef) -> Outcome:
        return self.random.choice(
            [
                Completion(lease_ref, "1"),
                Completion(lease_ref, "1"),
                Failure(lease_ref, "e"),
                Release(lease_ref),
            ]
        )

    def _note_refusals(self, responses: Any) -> None:
        self.refused += [each.refusal.code for each in responses if each.refusal is not None]

    def _site(self) -> Site:
        return self.random.choice(self.sites)


def test_what_was_acknowledged_is_there(urls: list[str], sites: list[Site]) -> None:
    clients = [Client(number, urls) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [client.error for client in clients] == [None] * CLIENTS
    assert [client.refused for client in clients] == [[]] * CLIENTS
    created = [each for client in clients for each in client.created]
    found = {row["id"]: row for row in rows(sites[0], "SELECT id, status FROM tasks")}
    assert sorted(created) == sorted(found)
    claims = Counter(each for client in clients for each in client.claimed)
    assert claims
    assert set(claims.values()) == {1}
    lines = "SELECT * FROM task_history"
    ended: dict[tuple[int, int], list[str]] = {}
    claimed: Counter[tuple[int, int]] = Counter()
    for row in rows(sites[1], lines):
        place = (row["task_id"], row["attempt"])
        if row["seconds"] is not None or row["message"] == history.RELEASED:
            ended.setdefault(place, []).append(history.outcome_of(row))
        elif row["status"] == "claimed":
            claimed[place] += 1
    settled = {place: kind for client in clients for place, kind in client.settled.items()}
    assert ended == {place: [kind] for place, kind in settled.items()}
    assert claimed == claims
    completed = {task for (task, _), kind in settled.items() if kind == "completed"}
    assert completed == {task for task, row in found.items() if row["status"] == "completed"}


def test_every_node_sees_what_another_acknowledged(sites: list[Site]) -> None:
    for turn in range(60):
        first, second, third = (sites[(turn + shift) % 3] for shift in range(3))
        (made,) = creating.create(first, [NewTask("job", {"turn": turn})])
        assert find_task(second, made.id)["status"] == "pending"
        (task,) = claiming.claim(third, ClaimRequest("w", 1, 60)).tasks
        assert task["id"] == made.id
        lease_ref = LeaseRef(task["id"], "w", task["attempts"])
        assert leases.heartbeat(first, lease_ref)["status"] == "claimed"
        assert settle(second, [Completion(lease_ref, "1")])[0].refusal is None
        assert find_task(third, made.id)["status"] == "completed"
        delete.delete(first, made.id)
        assert rows(second, f"SELECT id FROM tasks WHERE id = {made.id}") == []


def test_a_statement_alone_sees_what_another_node_acknowledged(sites: list[Site]) -> None:
    """Such as the one that uses up a sign-in link. A large change takes other nodes a moment."""
    makes = (
        "INSERT INTO settings (name, value) SELECT CONCAT('row ', seq), 'old' FROM seq_1_to_20000",
        "UPDATE settings SET value = 'new' WHERE name LIKE 'row %'",
        "DELETE FROM settings WHERE name LIKE 'row %'",
    )
    changed = [
        site.db.run(lambda c, sql=sql: c.send([(sql, {})]))[0].changed  # type: ignore[misc]
        for site, sql in zip(sites, makes)
    ]
    assert changed == [20000] * 3


def test_equal_creates_at_several_nodes_make_their_tasks_once(
    urls: list[str], sites: list[Site]
) -> None:
    """Each client sends all of the calls, and all of them the same one at about the same time."""
    calls = 40
    together = threading.Barrier(CLIENTS)
    made: list[list[list[int]]] = [[] for _ in range(CLIENTS)]
    errors: list[BaseException] = []

    def send(number: int) -> None:
        try:
            for turn in range(calls):
                site = site_at(urls[(number + turn) % 3])
                tasks = [NewTask("job", {"turn": turn}, dedupe=False)] * (1 + turn % 3)
                key = IdempotencyKey(f"call {turn}", "hash", None)
                together.wait()
                created = patiently(creating.create, site, tasks, None, key)
                made[number].append([each.id for each in created])
                site.db.close()
        except BaseException as error:
            errors.append(error)
            together.abort()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert made == [made[0]] * CLIENTS
    found = [row["id"] for row in rows(sites[1], "SELECT id FROM tasks")]
    assert sorted(found) == sorted(each for ids in made[0] for each in ids)
    told = [row["task_id"] for row in rows(sites[2], "SELECT task_id FROM task_history")]
    assert sorted(told) == sorted(found)


def patiently(call: Callable[..., T], *arguments: Any) -> T:
    """What a client does that is told that the queue is busy: it asks again."""
    while True:
        try:
            return call(*arguments)
        except DatabaseBusy:
            time.sleep(0.1)


def test_max_running_holds_on_all_nodes_together(urls: list[str], sites: list[Site]) -> None:
    task_types.register(sites[0], "narrow", "1", True, {"max_running": LIMIT})
    creating.create(sites[0], [NewTask("narrow", {"n": n}) for n in range(60)])
    highest: list[int] = []
    failures: list[BaseException] = []
    over = threading.Event()

    def work(number: int) -> None:
        site = site_at(urls[number % 3])
        try:
            while not over.is_set():
                request = ClaimRequest(f"w{number}", 1, 60)
                taken = patiently(claiming.claim, site, request).tasks
                time.sleep(0.02)
                for task in taken:
                    outcome = Completion(LeaseRef(task["id"], f"w{number}", task["attempts"]), None)
                    assert patiently(settle, site, [outcome])[0].refusal is None
        except BaseException as error:
            failures.append(error)
        site.db.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    left = "SELECT COUNT(*) AS total FROM tasks WHERE status <> 'completed'"
    ends_at = time.monotonic() + 300
    while rows(sites[1], left)[0]["total"] and time.monotonic() < ends_at and not failures:
        claimed = "SELECT COUNT(*) AS total FROM tasks WHERE status = 'claimed'"
        highest.append(rows(sites[2], claimed)[0]["total"])
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows(sites[0], left) == [{"total": 0}]
    assert max(highest) <= LIMIT


def test_pruning_at_every_node(sites: list[Site]) -> None:
    """While tasks are retried at others: each goes as a whole, and leaves its key, or stays."""
    made = creating.create(sites[0], [NewTask("job", {"n": n}) for n in range(90)])
    ids = [each.id for each in made]
    for task_id in ids:
        cancel.cancel(sites[task_id % 3], task_id)
    sites[0].db.run(
        lambda c: c.transact([("UPDATE tasks SET completed_at = '2001-01-01 00:00:00'", {})])
    )
    retried: list[int] = []
    errors: list[BaseException] = []

    def prune(site: Site) -> None:
        try:
            prune_everything(site, Budget(None), lambda kind, count: None)
        except BaseException as error:
            errors.append(error)

    def retry_some() -> None:
        for task_id in ids[::-9]:
            with contextlib.suppress(NotFound):
                retry.retry(sites[1], task_id)
                retried.append(task_id)

    threads = [threading.Thread(target=prune, args=(site,)) for site in sites]
    threads.append(threading.Thread(target=retry_some))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    prune(sites[2])
    assert errors == []
    left = {row["id"] for row in rows(sites[0], "SELECT id FROM tasks")}
    told = {row["task_id"] for row in rows(sites[0], "SELECT DISTINCT task_id FROM task_history")}
    keys = {row["task_id"] for row in rows(sites[0], "SELECT task_id FROM used_dedupe_keys")}
    assert left == set(retried)
    assert told == left
    assert keys == set(ids) - left
