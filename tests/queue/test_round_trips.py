"""Round trips to the database: where it is across a network, they are what a request costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymysql.connections
import pytest

from app.queue import api_keys, history, key_lookup, leases, release, task_types, workers
from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.access import Access
from app.queue.api_keys import NewKey
from app.queue.audit import Actor
from app.queue.cancel import cancel
from app.queue.candidates import FAR
from app.queue.claim import ClaimRequest
from app.queue.claim_order import Order
from app.queue.delete import delete
from app.queue.eligible_types import FEW_TYPES, Filter
from app.queue.fencing import LeaseRef
from app.queue.find_task import find_task
from app.queue.idempotency import IdempotencyKey
from app.queue.new_task import NewTask
from app.queue.retry import retry
from app.queue.settle import Completion, Failure, Outcome, settle
from app.queue.upkeep.reclaim import BATCH
from app.site import Site
from tests.support.queue import register

pytestmark = pytest.mark.usefixtures("no_upkeep")


class Wire:
    """Counts the commands that PyMySQL sends; each is one packet and one wait for its response."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands = 0
        kind: Any = pymysql.connections.Connection
        execute = kind._execute_command

        def counted(connection: Any, command: int, sql: Any) -> None:
            self.commands += 1
            execute(connection, command, sql)

        monkeypatch.setattr(kind, "_execute_command", counted)

    def count(self, work: Callable[[], Any]) -> tuple[int, Any]:
        """How many round trips the work took, and what it returned."""
        before = self.commands
        result = work()
        return self.commands - before, result


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, mariadb_site: Site) -> Wire:
    """On a warm connection, with two task types, of which one is paused."""
    register(mariadb_site, "plain")
    register(mariadb_site, "paused")
    task_types.set_paused(mariadb_site, "paused", True)
    return Wire(monkeypatch)


def fill(site: Site, count: int) -> list[int]:
    tasks = [NewTask("plain", {"n": n}) for n in range(count)]
    return [each.id for each in creating.create(site, tasks)]


def claim(site: Site, limit: int = 1, lease: float = 60, **options: Any) -> list[int]:
    request = ClaimRequest("w", limit, lease, **options)
    return [task["id"] for task in claiming.claim(site, request).tasks]


def test_the_count_counts(mariadb_site: Site, wire: Wire) -> None:
    count, _ = wire.count(lambda: mariadb_site.db.run(lambda c: [c.query("SELECT 1", {})] * 3))
    assert count == 1
    count, _ = wire.count(
        lambda: mariadb_site.db.run(lambda c: [c.query("SELECT 1", {}), c.query("SELECT 2", {})])
    )
    assert count == 2


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limit": 50},
        {"types": Filter(type_pattern="pl%")},
        {"types": Filter(task_types=["plain", "paused", "unknown"])},
        {"order": Order("created_at", "desc")},
        {"order": Order("attempts"), "limit": 10},
        {"order": Order("fair")},
        {"order": Order("fair"), "types": Filter(type_pattern="pl%")},
    ],
    ids=["single", "fifty", "pattern", "list", "newest", "attempts", "fair", "fair pattern"],
)
def test_claim(mariadb_site: Site, wire: Wire, options: dict[str, Any]) -> None:
    fill(mariadb_site, 100)
    count, claimed = wire.count(lambda: claim(mariadb_site, **options))
    assert len(claimed) == options.get("limit", 1)
    assert count <= 3


def test_fair_claim_of_several_types(mariadb_site: Site, wire: Wire) -> None:
    """A batch steps from type to type."""
    for number in range(3):
        register(mariadb_site, f"type-{number}")
    tasks = [NewTask(f"type-{number % 3}", {"n": number}) for number in range(300)]
    creating.create(mariadb_site, tasks)
    count, claimed = wire.count(lambda: claim(mariadb_site, order=Order("fair")))
    assert (len(claimed), count) == (1, 3)
    count, claimed = wire.count(lambda: claim(mariadb_site, 60, order=Order("fair")))
    assert len(claimed) == 60
    assert count <= 8


def test_claim_of_many_types(mariadb_site: Site, wire: Wire) -> None:
    for number in range(40):
        register(mariadb_site, f"type-{number}")
    tasks = [NewTask(f"type-{number}", {}) for number in range(40)]
    creating.create(mariadb_site, tasks)
    wanted = Filter(task_types=[f"type-{number}" for number in range(40)])
    count, claimed = wire.count(lambda: claim(mariadb_site, 10, types=wanted))
    assert len(claimed) == 10
    assert count <= 3


@pytest.mark.parametrize(
    ("others", "most"),
    [(FEW_TYPES - 1, 3), (FEW_TYPES, 4)],
    ids=["few types", "many types"],
)
def test_claim_behind_a_paused_type(mariadb_site: Site, wire: Wire, others: int, most: int) -> None:
    """The head of the queue is full of tasks that must not be claimed."""
    for number in range(others):
        register(mariadb_site, f"type-{number}")
    fill(mariadb_site, 200)
    task = creating.create(mariadb_site, [NewTask("type-1", {})])[0].id
    task_types.set_paused(mariadb_site, "plain", True)
    count, claimed = wire.count(lambda: claim(mariadb_site))
    assert claimed == [task]
    assert count <= most


@pytest.mark.parametrize("limit", [1, 50])
def test_claim_far_behind_a_paused_type(mariadb_site: Site, wire: Wire, limit: int) -> None:
    for number in range(FEW_TYPES + 1):
        register(mariadb_site, f"type-{number}")
    fill(mariadb_site, FAR + 100)
    tasks = [NewTask(f"type-{number % FEW_TYPES}", {"n": number}) for number in range(100)]
    made = [each.id for each in creating.create(mariadb_site, tasks)]
    task_types.set_paused(mariadb_site, "plain", True)
    count, claimed = wire.count(lambda: claim(mariadb_site, limit))
    assert claimed == made[:limit]
    assert count <= 5


def test_claim_of_one_of_many_limited_types(mariadb_site: Site, wire: Wire) -> None:
    for number in range(FEW_TYPES + 1):
        register(mariadb_site, f"type-{number}", max_running=1)
    tasks = [NewTask(f"type-{number % 3}", {"n": number}) for number in range(20)]
    made = [each.id for each in creating.create(mariadb_site, tasks)]
    for task in made[:2]:
        count, claimed = wire.count(lambda: claim(mariadb_site))
        assert claimed == [task]
        assert count <= 4


def test_claim_of_a_limited_type(mariadb_site: Site, wire: Wire) -> None:
    """Locking the type to count what runs of it takes one more."""
    register(mariadb_site, "plain", max_running=5)
    fill(mariadb_site, 10)
    count, claimed = wire.count(lambda: claim(mariadb_site, 10))
    assert len(claimed) == 5
    assert count <= 4


def test_claim_from_an_empty_queue(mariadb_site: Site, wire: Wire) -> None:
    count, claimed = wire.count(lambda: claim(mariadb_site))
    assert claimed == []
    # The third one notes that the worker is there, once a minute.
    assert count <= 3
    count, claimed = wire.count(lambda: claim(mariadb_site))
    assert claimed == []
    assert count <= 2


@pytest.mark.parametrize("due", [1, BATCH - 1])
def test_claim_that_reclaims(mariadb_site: Site, wire: Wire, due: int) -> None:
    tasks = fill(mariadb_site, due)
    assert claim(mariadb_site, due) == tasks
    expire = "UPDATE tasks SET due_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND"
    mariadb_site.db.run(lambda connection: connection.send([(expire, {})]))
    count, claimed = wire.count(lambda: claim(mariadb_site))
    assert claimed == tasks[:1]
    assert count <= 5


def own(task_id: int) -> LeaseRef:
    return LeaseRef(task_id, "w", 1)


def complete(task_id: int) -> Outcome:
    return Completion(own(task_id), '{"x":1}')


def fail(task_id: int) -> Outcome:
    return Failure(own(task_id), "it broke", "at line 1")


def complete_as_another(task_id: int) -> Outcome:
    return Completion(LeaseRef(task_id, "other", 1), None)


def complete_stale(task_id: int) -> Outcome:
    return Completion(LeaseRef(task_id, "w", 7), None)


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("outcome", [complete, fail, complete_as_another, complete_stale])
def test_settle(
    mariadb_site: Site, wire: Wire, outcome: Callable[[int], Outcome], size: int
) -> None:
    tasks = fill(mariadb_site, size)
    assert claim(mariadb_site, size) == tasks
    outcomes = [outcome(task_id) for task_id in tasks]
    count, settled = wire.count(lambda: settle(mariadb_site, outcomes))
    stands = outcome in (complete, fail)
    assert [each.refusal is None for each in settled] == [stands] * size
    assert count <= 2


def test_settle_twice(mariadb_site: Site, wire: Wire) -> None:
    fill(mariadb_site, 1)
    (task_id,) = claim(mariadb_site)
    settle(mariadb_site, [complete(task_id)])
    count, settled = wire.count(lambda: settle(mariadb_site, [complete(task_id)]))
    assert settled[0].refusal is None
    assert count <= 2


def new(**options: Any) -> NewTask:
    return NewTask("plain", {"n": 1}, **options)


@pytest.mark.parametrize(
    "tasks",
    [
        [new()],
        [new(dedupe=False)],
        [new(delay=60.0, priority=3, tags=["a"])],
        [NewTask("plain", {"n": n}) for n in range(50)],
    ],
    ids=["single", "undeduplicated", "delayed", "batch"],
)
def test_create(mariadb_site: Site, wire: Wire, tasks: list[NewTask]) -> None:
    count, created = wire.count(lambda: creating.create(mariadb_site, tasks))
    assert [each.deduplicated for each in created] == [False] * len(tasks)
    assert count <= 3


@pytest.mark.parametrize("size", [1, 50])
def test_create_with_an_idempotency_key(mariadb_site: Site, wire: Wire, size: int) -> None:
    """One more than without: what the key keeps are the ids, which the database gives."""
    tasks = [NewTask("plain", {"n": n}, dedupe=False) for n in range(size)]
    key = IdempotencyKey("order-17", "hash of the body", None)
    count, created = wire.count(lambda: creating.create(mariadb_site, tasks, key=key))
    assert count <= 4
    count, again = wire.count(lambda: creating.create(mariadb_site, tasks, key=key))
    assert [each.id for each in again] == [each.id for each in created]
    assert count <= 1


@pytest.mark.parametrize("size", [1, 50])
def test_create_of_what_exists(mariadb_site: Site, wire: Wire, size: int) -> None:
    fill(mariadb_site, size)
    tasks = [NewTask("plain", {"n": n}) for n in range(size)]
    count, created = wire.count(lambda: creating.create(mariadb_site, tasks))
    assert [each.deduplicated for each in created] == [True] * size
    assert count <= 3


def test_create_that_replaces_a_finished_task(mariadb_site: Site, wire: Wire) -> None:
    before = creating.create(mariadb_site, [new(dedupe="active")])
    settle(mariadb_site, [complete(claim(mariadb_site)[0])])
    count, after = wire.count(lambda: creating.create(mariadb_site, [new(dedupe="active")]))
    assert after[0].id > before[0].id
    assert not after[0].deduplicated
    assert count <= 3


def test_keeping_and_giving_back(mariadb_site: Site, wire: Wire) -> None:
    fill(mariadb_site, 1)
    (task_id,) = claim(mariadb_site)
    count, row = wire.count(lambda: leases.heartbeat(mariadb_site, own(task_id)))
    assert row["id"] == task_id
    assert count <= 2
    count, row = wire.count(lambda: leases.report_progress(mariadb_site, own(task_id), 50, "half"))
    assert row["progress"] == 50
    assert count <= 2
    count, row = wire.count(lambda: release.release(mariadb_site, own(task_id)))
    assert row["status"] == "pending"
    assert count <= 2


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("attempt", [1, 7], ids=["held", "lost"])
def test_keeping_many(mariadb_site: Site, wire: Wire, size: int, attempt: int) -> None:
    fill(mariadb_site, size)
    held = [LeaseRef(task_id, "w", attempt) for task_id in claim(mariadb_site, size)]
    heartbeats = [leases.Heartbeat(each, 90.0, 50, "half") for each in held]
    count, kept = wire.count(lambda: leases.heartbeat_many(mariadb_site, heartbeats))
    assert [each.refusal is None for each in kept] == [attempt == 1] * size
    assert count == 1


def test_workers(mariadb_site: Site, wire: Wire) -> None:
    count, worker = wire.count(lambda: workers.register(mariadb_site, "w", {"host": "h"}))
    assert worker["host"] == "h"
    assert count <= 2
    count, _ = wire.count(lambda: workers.heartbeat(mariadb_site, "w"))
    assert count == 1
    fill(mariadb_site, 3)
    claim(mariadb_site, 3)
    count, released = wire.count(lambda: workers.deregister(mariadb_site, "w"))
    assert released == 3
    assert count <= 3


WORKER = Access(7, "worker", ["work"], ["pl%"])
OPERATOR = Access(8, "operator", ["admin"], ["pl%"])
ACTOR = Actor("key operator (#8)", "192.0.2.1")


def test_a_key_with_scopes_takes_one_look(mariadb_site: Site, wire: Wire) -> None:
    made = api_keys.make(mariadb_site, NewKey("one", ["read"])).text
    for key in (made, "tm_" + "x" * 43):
        count, _ = wire.count(lambda key=key: key_lookup.find(mariadb_site, [key]))
        assert count == 1
    count, _ = wire.count(lambda: key_lookup.find(mariadb_site, ["not one of ours"]))
    assert count == 0


def test_calls_with_such_a_key_take_no_more(mariadb_site: Site, wire: Wire) -> None:
    fill(mariadb_site, 100)
    request = ClaimRequest("w", 50, 60, access=WORKER)
    count, result = wire.count(lambda: claiming.claim(mariadb_site, request))
    assert len(result.tasks) == 50
    assert count <= 3
    outcomes = [Completion(LeaseRef(task["id"], "w", 1, WORKER), None) for task in result.tasks]
    count, settled = wire.count(lambda: settle(mariadb_site, outcomes))
    assert [each.refusal for each in settled] == [None] * 50
    assert count <= 2


def test_the_audit_log_takes_no_round_trip(mariadb_site: Site, wire: Wire) -> None:
    task_id, other = fill(mariadb_site, 2)
    changes: list[Callable[..., Any]] = [cancel, retry, delete]
    for change in changes:
        with_log, _ = wire.count(
            lambda change=change: change(mariadb_site, task_id, OPERATOR, ACTOR)
        )
        without, _ = wire.count(lambda change=change: change(mariadb_site, other))
        assert with_log == without
    with_log, _ = wire.count(
        lambda: task_types.set_paused(mariadb_site, "plain", True, OPERATOR, ACTOR)
    )
    without, _ = wire.count(lambda: task_types.set_paused(mariadb_site, "plain", False))
    assert with_log == without
    lines = mariadb_site.db.run(lambda c: c.query("SELECT action FROM audit_log ORDER BY id", {}))
    assert [line["action"] for line in lines] == [
        *("task.cancel", "task.retry", "task.delete", "type.pause"),
    ]


def test_reading(mariadb_site: Site, wire: Wire) -> None:
    (task_id,) = fill(mariadb_site, 1)
    count, found = wire.count(lambda: find_task(mariadb_site, task_id))
    assert (found["id"], count) == (task_id, 1)
    count, lines = wire.count(lambda: history.read(mariadb_site, task_id))
    assert (len(lines), count) == (1, 1)
