"""How the database finds what the worker path asks for, in a table of a busy year: by the index
made for it, in that index's order, reading few rows. Never a sort, never a scan.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from app.api.dispatch import handle
from app.api.request import Request
from app.db.connection import Connection
from app.db.mysql import MySQLConnection
from app.db.sqlite import SQLiteConnection
from app.queue import (
    cancel,
    candidates,
    delete,
    eligible_types,
    history,
    key_lookup,
    leases,
    release,
    retry,
    task_types,
    workers,
)
from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.access import Access
from app.queue.audit import Actor
from app.queue.bulk import BulkRequest, change_many
from app.queue.claim import ClaimRequest
from app.queue.claim_order import FAIR, SORT_KEYS, SORT_ORDERS, Order
from app.queue.delete_type import delete_type
from app.queue.eligible_types import Filter
from app.queue.fencing import LeaseRef
from app.queue.find_task import find_task, find_tasks
from app.queue.idempotency import IdempotencyKey
from app.queue.new_task import NewTask
from app.queue.priority import set_priority
from app.queue.release import release_all
from app.queue.schedules import store as schedules
from app.queue.settle import Completion, Failure, Outcome, settle
from app.queue.task_action import TaskAction
from app.queue.task_edit import TaskEdit
from app.queue.upkeep import orphans, prune
from app.queue.upkeep.schedules import make_due_tasks
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.api.addresses import NATIVE, address_of, template
from tests.api.places import BODIES
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.queue import register, site_at

if TYPE_CHECKING:
    from app.db.connection import Statement

pytestmark = pytest.mark.usefixtures("no_upkeep")

TYPES = 20
PAUSED, LIMITED, EMPTY = 3, 4, 5
"""Positions of the types that are paused, have ``max_running``, and have no task."""

MOST_ROWS = 5000
"""No call may read more rows than this: some hundred for the widest claim; to order by attempts
1,000 with their types, and 1,000 more that some servers put into temporary tables; a scan would
read 40 times as many."""


class Seen(NamedTuple):
    sql: str
    plan: list[dict[str, Any]]


class Recorder:
    """Asks for the plan of each statement just before it is sent, on the same connection: on
    another one, EXPLAIN may wait for the locks of this one.
    """

    def __init__(self, patch: pytest.MonkeyPatch, kind: type[Connection], explain: str) -> None:
        self.is_on = False
        self.seen: list[Seen] = []
        send = kind.send

        def recorded(connection: Any, statements: list[Statement]) -> Any:
            for sql, values in statements if self.is_on else []:
                if sql.startswith(("SELECT", "UPDATE", "INSERT", "DELETE")):
                    plan = send(connection, [(f"{explain} {sql}", values)])[0].rows
                    self.seen.append(Seen(sql, plan))
            return send(connection, statements)

        patch.setattr(kind, "send", recorded)

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[Seen]]:
        self.seen, self.is_on = [], True
        yield self.seen
        self.is_on = False


FILL = """
INSERT INTO tasks (id, type_id, status, urgency, due_at, attempts, max_attempts, lease, claimed_by,
    cancel_requested, dedupe_key, created_at, params_json)
SELECT n,
    CASE WHEN n MOD {types} = {empty} THEN {first} ELSE {first} + n MOD {types} END,
    CASE WHEN n <= {pending} THEN 'pending' WHEN n <= {pending} + {done} THEN 'completed'
        WHEN n <= {pending} + {done} + {claimed} THEN 'claimed' ELSE 'scheduled' END,
    -(n * 7919 MOD 11),
    CASE WHEN n > {pending} + {done} THEN {later} END,
    CASE WHEN n <= {pending} THEN n MOD 3 ELSE 1 END, 9, 3600,
    CASE WHEN n > {pending} + {done} THEN 'somebody' END,
    0, {key}, {now}, '{{"some": "params"}}'
FROM {numbers}
"""


DIGIT = "(SELECT 0 AS d {})".format(" ".join(f"UNION ALL SELECT {d}" for d in range(1, 10)))
NUMBERS = "SELECT {} AS n FROM {}".format(
    " + ".join(f"d{power}.d * {10**power}" for power in range(6)),
    " JOIN ".join(f"{DIGIT} AS d{power}" for power in range(6)),
)
"""From 0 to 999,999, on any server: a sequence is MariaDB's alone, and a recursion is limited."""


def fill_statement(pending: int, done: int, first_type: int, **words: str) -> str:
    return FILL.format(
        types=TYPES, empty=EMPTY, first=first_type, pending=pending, done=done, claimed=500, **words
    )


def prepare(site: Site) -> int:
    """The types; the first one's id."""
    ids = [register(site, f"kind-{position}") for position in range(TYPES)]
    task_types.set_paused(site, f"kind-{PAUSED}", True)
    register(site, f"kind-{LIMITED}", max_running=100_000)
    return ids[0]


@pytest.fixture(scope="module")
def big_url(mariadb: DatabaseServer) -> str:
    """200,000 pending tasks, 50,000 completed, 500 claimed, 500 scheduled."""
    url = mariadb_with_tables(mariadb, "tm_big")
    site = site_at(url)
    fill = fill_statement(
        200_000,
        50_000,
        prepare(site),
        later="UTC_TIMESTAMP(3) + INTERVAL 1 DAY",
        now="UTC_TIMESTAMP(3)",
        key="SHA2(n, 256)",
        numbers=f"({NUMBERS}) AS numbers WHERE n BETWEEN 1 AND 251000 ORDER BY n",
    )
    site.db.close()
    history = (
        "INSERT INTO task_history (task_id, status, attempt, created_at) "
        "SELECT id, 'pending', 0, created_at FROM tasks"
    )
    mariadb.client(f"{fill}; {history}; ANALYZE TABLE tasks, task_history, task_types", "tm_big")
    return url


@pytest.fixture(scope="module")
def big_site(big_url: str) -> Iterator[Site]:
    site = site_at(big_url)
    yield site
    site.db.close()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    # Named, since a MySQL server may be set to show trees.
    return Recorder(monkeypatch, MySQLConnection, "EXPLAIN FORMAT=TRADITIONAL")


Call = Callable[[Site], Any]


def claiming_with(limit: int = 1, **options: Any) -> Call:
    return lambda site: claiming.claim(site, ClaimRequest("w", limit, 3600, **options)).tasks


class FilterCase(NamedTuple):
    """A filter, and the positions of the types that it lets through."""

    types: Filter
    positions: list[int]


def named(positions: list[int]) -> Filter:
    return Filter(task_types=[f"kind-{each}" for each in positions])


EVERY = [each for each in range(TYPES) if each != PAUSED]
TEN = list(range(10))

FILTERS = {
    "all": FilterCase(Filter(), EVERY),
    "one type": FilterCase(named([7]), [7]),
    "ten types": FilterCase(named(TEN), [each for each in TEN if each != PAUSED]),
    "a pattern": FilterCase(Filter(type_pattern="kind-1%"), [1, *range(10, 20)]),
    "a paused type": FilterCase(named([PAUSED]), []),
    "a limited type": FilterCase(named([LIMITED]), [LIMITED]),
    "a type without tasks": FilterCase(named([EMPTY]), []),
}

CLAIMS = {
    f"{limit} of {name} by {sort_by} {sort_order}": (limit, options, Order(sort_by, sort_order))
    for name, options in FILTERS.items()
    for sort_by in SORT_KEYS
    for sort_order in SORT_ORDERS
    for limit in ((1, 50) if name in ("all", "ten types") else (1,))
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claim(big_site: Site, recorder: Recorder, name: str) -> None:
    limit, options, order = CLAIMS[name]
    right = expected(big_site, limit, options.positions, order)
    with few_rows(big_site), recorder.recording() as seen:
        tasks = claiming_with(limit, types=options.types, order=order)(big_site)
    assert [task["id"] for task in tasks] == right
    check_mariadb(seen)


MANY_TYPES = {
    f"{limit} of {name} by {sort_by}": (limit, FILTERS[name], Order(sort_by))
    for name in ("all", "a pattern")
    for sort_by in SORT_KEYS
    for limit in (1, 50)
}


@pytest.fixture(params=["far", "the types that come first"])
def among_many_types(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims find too little at the head of the queue, and take the types here for many."""
    monkeypatch.setattr(eligible_types, "FEW_TYPES", 2)
    monkeypatch.setattr(candidates, "HEAD_MARGIN", 0)
    if request.param != "far":
        monkeypatch.setattr(candidates, "FAR", 1)


@pytest.mark.usefixtures("among_many_types")
@pytest.mark.parametrize("name", MANY_TYPES)
def test_claim_among_many_types(big_site: Site, recorder: Recorder, name: str) -> None:
    limit, case, order = MANY_TYPES[name]
    right = expected(big_site, limit, case.positions, order)
    with few_rows(big_site), recorder.recording() as seen:
        tasks = claiming_with(limit, types=case.types, order=order)(big_site)
    assert [task["id"] for task in tasks] == right
    check_mariadb(seen)


FAIR_CLAIMS = {
    f"{limit} of {name}": (limit, FILTERS[name])
    for name in ("all", "one type", "ten types", "a pattern", "a limited type")
    for limit in (1, 50)
}


@pytest.fixture(params=["few types", "many types"])
def few_or_many_types(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many types":
        monkeypatch.setattr(eligible_types, "FEW_TYPES", 2)


@pytest.mark.usefixtures("few_or_many_types")
@pytest.mark.parametrize("name", FAIR_CLAIMS)
def test_fair_claim(big_site: Site, recorder: Recorder, name: str) -> None:
    limit, case = FAIR_CLAIMS[name]
    for _ in range(2):  # before the first turn, and after it
        with few_rows(big_site), recorder.recording() as seen:
            tasks = claiming_with(limit, types=case.types, order=Order(FAIR))(big_site)
        check_mariadb(seen)
    assert len(tasks) == limit
    assert {task["type"] for task in tasks} <= {f"kind-{each}" for each in case.positions}
    assert {task["urgency"] for task in tasks} == {-10}


def expected(site: Site, limit: int, positions: list[int], order: Order) -> list[int]:
    """What the claim must get, found the long way. (Ordering by attempts looks at the most urgent
    tasks alone; here the tasks with the fewest and with the most attempts are among those.)
    """
    direction = "DESC" if order.descending else "ASC"
    opposite = "ASC" if order.descending else "DESC"
    by = {
        "priority": f"urgency {opposite}, id {opposite}",
        "created_at": f"id {direction}",
        "id": f"id {direction}",
        "attempts": f"attempts {direction}, urgency, id",
    }[order.sort_by]
    names = ",".join(f"'kind-{each}'" for each in positions) or "NULL"
    sql = (
        "SELECT id FROM tasks WHERE status = 'pending' AND type_id IN "
        f"(SELECT id FROM task_types WHERE name IN ({names})) ORDER BY {by} LIMIT {limit}"
    )
    return [row["id"] for row in site.db.run(lambda connection: connection.query(sql, {}))]


@contextlib.contextmanager
def few_rows(site: Site, beside: int = 0) -> Iterator[None]:
    """Asserts that what happens inside reads few rows of the database, by the server's count;
    ``beside`` are those that it has to read.
    """
    before = rows_read(site)
    yield
    assert rows_read(site) - before - beside <= MOST_ROWS


def claimed_count(site: Site) -> int:
    """What a worker holds is looked for among all of these: other tests leave many."""
    look = "SELECT COUNT(*) AS total FROM tasks WHERE status = 'claimed'"
    return int(site.db.run(lambda connection: connection.query(look, {}))[0]["total"])


def rows_read(site: Site) -> int:
    # A process that calls one after the other has one connection, so the session's count is it.
    sql = "SHOW SESSION STATUS LIKE 'Handler_read%'"
    rows = site.db.run(lambda connection: connection.query(sql, {}))
    return sum(int(row["Value"]) for row in rows)


def expire(site: Site, count: int) -> list[int]:
    """Claim some and let their leases end."""
    taken = claiming.claim(site, ClaimRequest("dead", count, 3600)).tasks
    ids = [task["id"] for task in taken]
    listed = ",".join(map(str, ids))
    sql = f"UPDATE tasks SET due_at = '2020-01-01' WHERE id IN ({listed})"
    site.db.run(lambda connection: connection.send([(sql, {})]))
    return ids


@pytest.mark.parametrize("count", [1, 100])
def test_reclaim(big_site: Site, recorder: Recorder, count: int) -> None:
    due = expire(big_site, count)
    with few_rows(big_site), recorder.recording() as seen:
        tasks = claiming_with(1)(big_site)
    assert tasks[0]["id"] == due[0]
    assert any(statement.sql.endswith("FOR UPDATE") for statement in seen)
    check_mariadb(seen)


def take(site: Site, count: int = 1) -> list[LeaseRef]:
    tasks = claiming.claim(site, ClaimRequest("w", count, 3600)).tasks
    return [LeaseRef(task["id"], "w", task["attempts"]) for task in tasks]


def new_tasks(site: Site, count: int, **options: Any) -> list[NewTask]:
    """Tasks that nobody made before."""
    new_tasks_made.append(count)
    start = sum(new_tasks_made)
    return [NewTask("kind-1", {"n": start + n}, **options) for n in range(count)]


new_tasks_made: list[int] = []


def change(prepared: Callable[[Site], Any], call: Callable[[Site, Any], Any]) -> Any:
    return prepared, call


def replace(site: Site, tasks: list[NewTask]) -> None:
    """A finished task gives up its key to a new one."""
    first = creating.create(site, tasks)[0].id
    cancel.cancel(site, first)
    assert creating.create(site, tasks)[0].id > first


def settle_mixed(site: Site, lease_refs: list[LeaseRef]) -> None:
    """Everything differs from task to task."""
    outcomes: list[Outcome] = []
    for n, each in enumerate(lease_refs):
        kinds = (
            Completion(each, str(n)),
            Failure(each, f"error {n}", f"line {n}", n % 2 == 0, float(n)),
            release.Release(each, float(n)),
        )
        outcomes.append(kinds[n % 3])
    settled = settle(site, outcomes)
    assert [each.refusal for each in settled] == [None] * len(outcomes)


def create_thousand(site: Site, tasks: list[NewTask]) -> None:
    made = creating.create(site, tasks)
    assert len({each.id for each in made}) == 1000


WORKER = Access(7, "worker", ["work"], ["kind-1%", "kind\\_%"])
OPERATOR = Access(8, "operator", ["admin"], ["kind-%", "other"])
ACTOR = Actor("key operator (#8)", "192.0.2.1")


def request_with(access: Access, limit: int) -> ClaimRequest:
    return ClaimRequest("w", limit, 3600, access=access)


def claimed_with(site: Site, access: Access, count: int) -> list[LeaseRef]:
    tasks = claiming.claim(site, request_with(access, count)).tasks
    assert len(tasks) == count
    return [LeaseRef(task["id"], "w", task["attempts"], access) for task in tasks]


def cancelled(site: Site) -> int:
    task_id = creating.create(site, new_tasks(site, 1))[0].id
    cancel.cancel(site, task_id)
    return task_id


def change_all(site: Site, action: TaskAction, ids: list[int]) -> None:
    result = change_many(site, action, BulkRequest(ids, {}, 1000))
    assert (result.changed, result.skipped) == (len(ids), 0)


def new_type(site: Site, cancelled_tasks: int) -> str:
    name = f"new-{len(task_types.list_all(site, with_archived=True))}"
    register(site, name)
    tasks = [NewTask(name, {"n": n}) for n in range(cancelled_tasks)]
    for each in creating.create(site, tasks) if tasks else ():
        cancel.cancel(site, each.id)
    return name


def a_hundred_cancelled(site: Site) -> list[int]:
    ids = [each.id for each in creating.create(site, new_tasks(site, 100))]
    change_all(site, cancel.CANCEL, ids)
    return ids


def a_hundred_replaced(site: Site) -> list[int]:
    """Their keys are held by others, which have ended too."""
    tasks = new_tasks(site, 100, dedupe="active")
    ids: list[list[int]] = []
    for _ in range(2):
        ids.append([each.id for each in creating.create(site, tasks)])
        change_all(site, cancel.CANCEL, ids[-1])
    assert not set(ids[0]) & set(ids[1])
    return ids[0]


CHANGES: dict[str, Any] = {
    "complete": change(
        take, lambda site, lease_refs: settle(site, [Completion(lease_refs[0], "1")])
    ),
    "fail": change(take, lambda site, lease_refs: settle(site, [Failure(lease_refs[0], "e")])),
    "settle a hundred": change(
        lambda site: take(site, 100),
        lambda site, lease_refs: settle(site, [Completion(each, "1") for each in lease_refs]),
    ),
    "settle a mixed hundred": change(lambda site: take(site, 100), settle_mixed),
    "settle the same task twice": change(
        take, lambda site, lease_refs: settle(site, [Completion(lease_refs[0], "1")] * 2)
    ),
    "heartbeat": change(take, lambda site, lease_refs: leases.heartbeat(site, lease_refs[0])),
    "a hundred heartbeats": change(
        lambda site: take(site, 100),
        lambda site, lease_refs: leases.heartbeat_many(
            site, [leases.Heartbeat(each) for each in lease_refs]
        ),
    ),
    "a hundred different heartbeats": change(
        lambda site: take(site, 100),
        lambda site, lease_refs: leases.heartbeat_many(
            site,
            [
                leases.Heartbeat(each, 60.0 + n, n if n % 2 else None, "message")
                for n, each in enumerate(lease_refs)
            ],
        ),
    ),
    "progress": change(
        take, lambda site, lease_refs: leases.report_progress(site, lease_refs[0], 50, "half")
    ),
    "release": change(take, lambda site, lease_refs: release.release(site, lease_refs[0])),
    "release for later": change(
        take, lambda site, lease_refs: release.release(site, lease_refs[0], 9.0)
    ),
    "a worker's first claim": change(
        lambda site: ClaimRequest("a new one", 1, 3600), claiming.claim
    ),
    "a worker's heartbeat": change(lambda site: "w", workers.heartbeat),
    "deregister": change(
        lambda site: claiming.claim(site, ClaimRequest("leaves", 150, 3600)),
        lambda site, _: workers.deregister(site, "leaves"),
    ),
    "create": change(lambda site: new_tasks(site, 1), creating.create),
    "create fifty": change(lambda site: new_tasks(site, 50), creating.create),
    "create a thousand": change(lambda site: new_tasks(site, 1000), create_thousand),
    "create tagged": change(lambda site: new_tasks(site, 1, tags=["a", "b"]), creating.create),
    "create fifty tagged": change(lambda site: new_tasks(site, 50, tags=["a"]), creating.create),
    "create undeduplicated": change(lambda site: new_tasks(site, 1, dedupe=False), creating.create),
    "create with an idempotency key": change(
        lambda site: (new_tasks(site, 2), IdempotencyKey(os.urandom(8).hex(), "hash", None)),
        lambda site, given: [creating.create(site, given[0], key=given[1]) for _ in range(2)],
    ),
    "create what exists": change(
        lambda site: new_tasks(site, 1) * 2,
        lambda site, tasks: [creating.create(site, [each]) for each in tasks],
    ),
    "replace": change(
        lambda site: new_tasks(site, 1, dedupe="active"),
        replace,
    ),
    "cancel": change(
        lambda site: creating.create(site, new_tasks(site, 1)),
        lambda site, made: cancel.cancel(site, made[0].id),
    ),
    "retry": change(cancelled, retry.retry),
    "delete": change(cancelled, delete.delete),
    "priority": change(
        lambda site: creating.create(site, new_tasks(site, 1)),
        lambda site, made: set_priority(site, made[0].id, 7),
    ),
    "priority of a claimed task": change(
        take, lambda site, lease_refs: set_priority(site, lease_refs[0].task_id, 7)
    ),
    "delete a type": change(lambda site: new_type(site, 0), delete_type),
    "archive a type": change(lambda site: new_type(site, 3), delete_type),
    "edit and retry": change(
        cancelled,
        lambda site, task_id: retry.retry(site, task_id, edit=TaskEdit({"n": "new"}, 7, 9)),
    ),
    "cancel a hundred": change(
        lambda site: creating.create(site, new_tasks(site, 100)),
        lambda site, made: change_all(site, cancel.CANCEL, [each.id for each in made]),
    ),
    "retry a hundred": change(
        a_hundred_cancelled, lambda site, ids: change_all(site, retry.RETRY, ids)
    ),
    "retry a hundred that take their keys back": change(
        a_hundred_replaced, lambda site, ids: change_all(site, retry.RETRY, ids)
    ),
    "delete a hundred": change(
        a_hundred_cancelled, lambda site, ids: change_all(site, delete.DELETE, ids)
    ),
    "get": change(lambda site: 77, find_task),
    "claim with a key for some types": change(lambda site: request_with(WORKER, 1), claiming.claim),
    "claim fifty with such a key": change(lambda site: request_with(WORKER, 50), claiming.claim),
    "settle with such a key": change(
        lambda site: claimed_with(site, WORKER, 100),
        lambda site, lease_refs: settle(site, [Completion(each, "1") for each in lease_refs]),
    ),
    "settle with an admin's key for some types": change(
        lambda site: claimed_with(site, OPERATOR, 100), settle_mixed
    ),
    "heartbeat with such a key": change(
        lambda site: claimed_with(site, WORKER, 1)[0],
        leases.heartbeat,
    ),
    "get with such a key": change(lambda site: 77, lambda site, n: find_task(site, n, OPERATOR)),
    "history with such a key": change(
        lambda site: 77, lambda site, n: history.read(site, n, OPERATOR)
    ),
    "cancel by an operator": change(
        lambda site: creating.create(site, new_tasks(site, 1))[0].id,
        lambda site, task_id: cancel.cancel(site, task_id, OPERATOR, ACTOR),
    ),
    "retry by an operator": change(
        cancelled, lambda site, task_id: retry.retry(site, task_id, OPERATOR, ACTOR)
    ),
    "delete by an operator": change(
        cancelled, lambda site, task_id: delete.delete(site, task_id, OPERATOR, ACTOR)
    ),
    "find a key": change(lambda site: ["tm_" + "x" * 43], key_lookup.find),
    "get a hundred": change(lambda site: range(1, 101), find_tasks),
    "history": change(lambda site: 77, history.read),
}


def pruned_tasks(site: Site, count: int) -> list[NewTask]:
    """Tasks that were made, cancelled and pruned."""
    tasks = new_tasks(site, count)
    prepare_pruning(site, [cancelled_as(site, each) for each in tasks])
    for _ in range(TURNS):
        prune.prune(site, Budget(0))
    return tasks


def cancelled_as(site: Site, task: NewTask) -> int:
    task_id = creating.create(site, [task])[0].id
    cancel.cancel(site, task_id)
    return task_id


def prepare_pruning(site: Site, task_ids: list[int]) -> None:
    """Let these tasks be over, and one row of everything else that is pruned."""
    old = "'2001-01-01 00:00:00'"
    listed = ",".join(map(str, task_ids))
    workers.register(site, "long gone", {})
    statements = [
        f"UPDATE tasks SET completed_at = {old}, created_at = {old} WHERE id IN ({listed})",
        f"UPDATE workers SET last_seen_at = {old} WHERE id = 'long gone'",
        f"INSERT INTO audit_log (created_at, actor, action) VALUES ({old}, 'a', 'b')",
        "REPLACE INTO used_dedupe_keys (dedupe_key, type_id, task_id, status, created_at, "
        f"pruned_at) VALUES ('old', 1, 1, 'failed', {old}, {old})",
        "REPLACE INTO idempotency_keys (api_key_id, idempotency_key, body_hash, created_json, "
        f"created_at) VALUES (0, 'old', 'x', '[]', {old})",
    ]
    site.db.run(lambda connection: connection.transact([(each, {}) for each in statements]))


TURNS = 20
"""More than there are passes: in a turn without time each does one of them."""


@contextlib.contextmanager
def all_retained(site: Site) -> Iterator[None]:
    """Everything is pruned at some time, and one type has a retention of its own."""
    register(site, "kind-2", retention={"completed": 5, "result": 2})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("result", "dedupe"):
            patch.setattr(site.settings, f"retain_{name}_days", 100.0)
        yield
    register(site, "kind-2", retention=None)


def test_prune(big_site: Site, recorder: Recorder) -> None:
    with all_retained(big_site):
        prepare_pruning(big_site, [cancelled(big_site) for _ in range(3)])
        for _ in range(TURNS):
            with few_rows(big_site), recorder.recording() as seen:
                prune.prune(big_site, Budget(0))
            check_mariadb(seen)


def test_orphans(big_site: Site, recorder: Recorder) -> None:
    prepare_pruning(big_site, [cancelled(big_site)])
    for _ in range(TURNS):
        with few_rows(big_site), recorder.recording() as seen:
            orphans.remove_orphans(big_site, Budget(0))
        check_mariadb(seen)


def test_create_what_was_pruned(big_site: Site, recorder: Recorder) -> None:
    tasks = pruned_tasks(big_site, 10)
    with few_rows(big_site), recorder.recording() as seen:
        assert all(each.deduplicated for each in creating.create(big_site, tasks))
        for each in tasks:
            each.dedupe = "active"
        assert not any(each.deduplicated for each in creating.create(big_site, tasks))
    check_mariadb(seen)


@pytest.mark.parametrize("name", CHANGES)
def test_change(big_site: Site, recorder: Recorder, name: str) -> None:
    prepared, call = CHANGES[name]
    subject = prepared(big_site)
    beside = 3 * claimed_count(big_site) if name == "deregister" else 0
    with few_rows(big_site, beside), recorder.recording() as seen:
        call(big_site, subject)
    check_mariadb(seen)


def test_schedules_that_are_not_due_are_not_read(big_site: Site, recorder: Recorder) -> None:
    for number in range(200):
        values = {"type": "kind-1", "params": {}, "every": 86400.0}
        schedules.put(big_site, f"s{number}", values)
    with few_rows(big_site), recorder.recording() as seen:
        make_due_tasks(big_site, Budget(None))
    assert [step["key"] for _, plan in seen for step in plan] == ["schedules_next"] * 2
    assert [step["type"] for _, plan in seen for step in plan] == ["range"] * 2


COUNTS = "counts among all claimed tasks"
SCHEDULES = "about the schedules, which are few, and the tasks that they made, by primary key"
STATISTICS = "in statistics/test_plans.py"
BULK = "by ids in test_change, by filters in test_bulk_plans.py"
ELSEWHERE = {
    **{template(route): SCHEDULES for route in NATIVE if "/schedules" in route.template},
    "POST /keys/{id}/rotate": "about the keys, which are few",
    "POST /keys/{id}/revoke": "about the keys, which are few",
    "GET /": "asks nothing",
    "GET /openapi.json": "asks nothing",
    "GET /health": "changes nothing",
    "GET /health/live": "asks nothing",
    "GET /health/ready": "changes nothing",
    "GET /health/queue": STATISTICS,
    "GET /metrics": STATISTICS,
    "GET /failures": STATISTICS,
    "GET /stats": STATISTICS,
    "GET /stats/series": STATISTICS,
    "GET /tasks": "in test_list_plans.py",
    "GET /task-types": "sorts the types",
    "POST /run": "starts a worker",
    "GET /run": "starts a worker",
    "GET /workers": COUNTS,
    "GET /workers/{worker}": COUNTS,
    "GET /workers/{worker}/stats": COUNTS,
    "DELETE /task-types/{name}": "in test_change, of types that no other test has",
    "POST /task-types/{name}/delete": "in test_change, too",
    "POST /tasks/cancel": BULK,
    "POST /tasks/delete": BULK,
    "POST /tasks/retry": BULK,
    "POST /workers/register": COUNTS,
    "POST /workers/{worker}/heartbeat": COUNTS,
}
"""Endpoints whose statements are not of the kind that is looked for here, and why not."""

REFUSALS = ("conflict", "not_owner", "unknown_type")
ENDPOINTS = sorted({template(route) for route in NATIVE} - set(ELSEWHERE))


def good_bodies(endpoint: str) -> list[dict[str, Any]]:
    places = [each for each in BODIES if each.route == endpoint]
    bodies = [each.wrap(each.good) for each in places]
    return [{**body, "type": "kind-1"} if "type" in body else body for body in bodies] or [{}]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint(
    big_site: Site, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """Whether a call is accepted or refused for the task's status, its statements are sent."""
    monkeypatch.setattr(big_site.settings, "require_auth", False)
    route = next(each for each in NATIVE if template(each) == endpoint)
    seen: list[Seen] = []
    for body in good_bodies(endpoint):
        release_all(big_site, "w")  # what other tests took
        (lease_ref,) = take(big_site)
        method, path = address_of(
            route, id=str(lease_ref.task_id), name=f"kind-{EMPTY}", worker="w"
        )
        request = Request(method, path, {}, {}, json.dumps(body).encode())
        with few_rows(big_site), recorder.recording() as sent:
            response = handle(request, big_site)
        assert response.payload.get("code") in (None, *REFUSALS), body
        seen += sent
    check_mariadb(seen)


def check_mariadb(seen: list[Seen]) -> None:
    assert seen, "nothing was sent"
    for sql, plan in seen:
        for step in plan:
            if step["select_type"] == "INSERT":
                continue  # MySQL lists the table that the rows go into, too
            extra = step["Extra"] or ""
            if not is_bounded(step):
                assert "filesort" not in extra, (sql, step)
                assert "temporary" not in extra, (sql, step)
            if step["table"] in ("tasks", "task_history") and not is_plain_insert(sql):
                assert step["type"] in ("const", "eq_ref", "ref", "range"), (sql, step)
                assert step["key"] in designed_indexes(sql, step), (sql, step)
            elif step["table"] is None:
                assert any(words in extra for words in NO_TABLE), (sql, step)


NO_TABLE = (
    "const table",
    "No tables used",
    "Not optimized, outer query is empty",
    "Impossible WHERE",
)
"""Found nothing by a unique key while planning, or there is nothing to read."""


def is_bounded(step: dict[str, Any]) -> bool:
    """Whether the step reads what a subquery with a LIMIT found."""
    return bool(step["table"]) and step["table"].startswith("<derived")


def is_plain_insert(sql: str) -> bool:
    return sql.startswith("INSERT") and "SELECT" not in sql.partition("VALUES")[0]


DESIGNED = (
    ("tasks_key", ("SELECT id, urgency FROM tasks", "AND key_slot = ")),
    ("tasks_key", ("SELECT COUNT(*) AS total FROM tasks", "AND key_slot = ")),
    ("tasks_key", ("AS waits",)),
    ("tasks_due", ("due_at <=", "ORDER BY due_at")),
    ("tasks_dedupe", ("dedupe_key IN",)),
    ("tasks_claim_type", ("COUNT(*)",)),
    ("tasks_claim_type", ("type_id =", "ORDER BY urgency")),
    ("tasks_claim_type", ("type_id >", "ORDER BY type_id, urgency")),
    ("tasks_claim", ("ORDER BY urgency",)),
    ("tasks_status", ("type_id =", "ORDER BY tasks.id")),
    ("tasks_type", ("DELETE FROM task_types",)),
    ("tasks_created", ("ORDER BY tasks.id",)),
    ("tasks_claim", ("SELECT id, claimed_key FROM tasks", "status = 'claimed' AND claimed_by")),
    ("tasks_claim", ("SELECT claimed_by FROM tasks", "status = 'claimed'")),
    ("PRIMARY", ()),
)
"""The index that a statement on tasks was made for: the first whose words are all in it."""


def designed_indexes(sql: str, step: dict[str, Any]) -> tuple[str, ...]:
    if step["table"] == "task_history":
        return ("task_history_task",)
    if "AS firsts" in sql:  # the first task of each type, then those tasks
        inside = step["select_type"] != "PRIMARY"
        return ("tasks_claim_type", "tasks_status") if inside else ("PRIMARY",)
    return (next(index for index, words in DESIGNED if all(word in sql for word in words)),)


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 pending tasks, 5,000 completed, 500 claimed, 500 scheduled."""
    path = tmp_path_factory.mktemp("plans") / "queue.sqlite3"
    site = site_at(f"sqlite:///{path}")
    fill = fill_statement(
        20_000,
        5_000,
        prepare(site),
        later="strftime('%Y-%m-%d %H:%M:%f','now','+1 day')",
        now="strftime('%Y-%m-%d %H:%M:%f','now')",
        key="'key-' || n",
        numbers=(
            "(WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count "
            "WHERE n < 26000) SELECT n FROM count)"
        ),
    ).replace(" MOD ", " % ")
    site.db.run(lambda connection: connection.send([(fill, {})]))
    site.db.close()
    return path


@pytest.fixture
def sqlite_site(big_file: Path) -> Iterator[Site]:
    site = site_at(f"sqlite:///{big_file}")
    yield site
    site.db.close()


@pytest.fixture
def sqlite_recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch, SQLiteConnection, "EXPLAIN QUERY PLAN")


@pytest.mark.parametrize("name", CLAIMS)
def test_claim_on_sqlite(sqlite_site: Site, sqlite_recorder: Recorder, name: str) -> None:
    limit, options, order = CLAIMS[name]
    right = expected(sqlite_site, limit, options.positions, order)
    with sqlite_recorder.recording() as seen:
        tasks = claiming_with(limit, types=options.types, order=order)(sqlite_site)
    assert [task["id"] for task in tasks] == right
    check_sqlite(seen)


@pytest.mark.usefixtures("among_many_types")
@pytest.mark.parametrize("name", MANY_TYPES)
def test_claim_among_many_types_on_sqlite(
    sqlite_site: Site, sqlite_recorder: Recorder, name: str
) -> None:
    limit, case, order = MANY_TYPES[name]
    right = expected(sqlite_site, limit, case.positions, order)
    with sqlite_recorder.recording() as seen:
        tasks = claiming_with(limit, types=case.types, order=order)(sqlite_site)
    assert [task["id"] for task in tasks] == right
    check_sqlite(seen)


@pytest.mark.parametrize("count", [1, 100])
def test_reclaim_on_sqlite(sqlite_site: Site, sqlite_recorder: Recorder, count: int) -> None:
    due = expire(sqlite_site, count)
    with sqlite_recorder.recording() as seen:
        tasks = claiming_with(1)(sqlite_site)
    assert tasks[0]["id"] == due[0]
    check_sqlite(seen)


@pytest.mark.parametrize("name", CHANGES)
def test_change_on_sqlite(sqlite_site: Site, sqlite_recorder: Recorder, name: str) -> None:
    prepared, call = CHANGES[name]
    subject = prepared(sqlite_site)
    with sqlite_recorder.recording() as seen:
        call(sqlite_site, subject)
    check_sqlite(seen)


def test_prune_on_sqlite(sqlite_site: Site, sqlite_recorder: Recorder) -> None:
    with all_retained(sqlite_site):
        prepare_pruning(sqlite_site, [cancelled(sqlite_site) for _ in range(3)])
        for _ in range(TURNS):
            with sqlite_recorder.recording() as seen:
                prune.prune(sqlite_site, Budget(0))
            check_sqlite(seen)


def test_create_what_was_pruned_on_sqlite(sqlite_site: Site, sqlite_recorder: Recorder) -> None:
    tasks = pruned_tasks(sqlite_site, 10)
    with sqlite_recorder.recording() as seen:
        assert all(each.deduplicated for each in creating.create(sqlite_site, tasks))
    check_sqlite(seen)


def check_sqlite(seen: list[Seen]) -> None:
    assert seen, "nothing was sent"
    for sql, plan in seen:
        for step in plan:
            detail = step["detail"]
            assert "SCAN tasks" not in detail, (sql, detail)
            assert "SCAN task_history" not in detail, (sql, detail)
            if not any(words in sql for words in SORTS_FEW):
                assert "TEMP B-TREE" not in detail, (sql, detail)


SORTS_FEW = ("WHERE id IN (", ") AS head ", ") AS firsts ", "INSERT INTO lanes ")
"""In statements that sort the few tasks that they name, or that a subquery with a LIMIT found."""
