"""A claim beside 10,000 concurrency keys and 100 types with a rate, none of which lets a task
through; and beside very many tasks of one key of its own type.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack

from bench import data
from bench.clients import Client
from bench.queues import NOW, Queue, serving
from bench.report import Table
from bench.run import Run

TYPES = 100
KEYS = 10_000
WAITING_PER_KEY = 10
WAITING_PER_TYPE = 100
OF_ONE_KEY = {"usual": 200_000, "quick": 1000, "full": 1_000_000}
PENDING = 60_000
FEWEST = 20
"""Claims of each, however long they take."""

SECONDS = {"usual": 20, "quick": 0, "full": 60}
"""How long claims of all queues take turns."""

CASES = ("without", "keys and rates", "one key")


def measure(run: Run) -> None:
    with ExitStack() as stack:
        queues = {
            name: stack.enter_context(serving(NOW, run.mariadb, f"limits_{position}"))
            for position, name in enumerate(CASES)
        }
        for queue in queues.values():
            data.types(queue, 1, 1)
        _hold_back_many(run, queues["keys and rates"])
        _hold_back_one_key(run, queues["one key"])
        for queue in queues.values():
            data.pending(queue, run.count(PENDING, 3000))
            data.settle_down(queue)
        _in_turns(run, queues)


def _hold_back_many(run: Run, queue: Queue) -> None:
    """Keys and rates that are used up, each with older and more urgent tasks that wait."""
    types, keys = run.count(TYPES, 5), run.count(KEYS, 20)
    queue.client.post(
        "/task-types/register",
        {"name": "keyed", "version": "1", "param_schema": {}, "max_per_key": 1},
    )
    for number in range(types):
        body = {"name": f"rated.{number}", "version": "1", "param_schema": {}}
        rate = {"tasks": 1, "seconds": 86_400}
        queue.client.post("/task-types/register", {**body, "rate": rate})
    type_of = "(SELECT id FROM task_types WHERE name = '{}')"
    claimed = "'claimed', -9, 1, 3, 0, UTC_TIMESTAMP(3), '{}', UTC_TIMESTAMP(3) + INTERVAL 1 DAY"
    keyed = type_of.format("keyed")
    columns = f"INSERT INTO tasks ({data.TASK}, due_at, concurrency_key, key_slot)"
    queue.sql(f"{columns} SELECT {keyed}, {claimed}, CONCAT('k', seq), 1 FROM seq_1_to_{keys}")
    waiting = "-9, 0, 3, 0, UTC_TIMESTAMP(3), '{}', NULL"
    queue.sql(
        f"{columns} SELECT {keyed}, 'blocked', {waiting}, CONCAT('k', k.seq), 0 "
        f"FROM seq_1_to_{keys} AS k JOIN seq_1_to_{WAITING_PER_KEY} AS n"
    )
    queue.sql(
        "INSERT INTO lanes (type_id, concurrency_key) SELECT "
        f"{keyed}, CONCAT('k', seq) FROM seq_1_to_{keys}"
    )
    queue.sql(
        f"{columns} SELECT id, 'throttled', {waiting}, NULL, NULL FROM task_types "
        f"JOIN seq_1_to_{WAITING_PER_TYPE} WHERE name LIKE 'rated.%'"
    )
    opens = "UTC_TIMESTAMP(3) + INTERVAL 1 DAY"
    of_rated = "FROM task_types WHERE name LIKE 'rated.%'"
    queue.sql(
        "INSERT INTO lanes (type_id, concurrency_key, due_at) "
        f"SELECT id, '', {opens} {of_rated} ON DUPLICATE KEY UPDATE due_at = VALUES(due_at)"
    )
    queue.sql(
        "INSERT INTO rate_claims (type_id, claimed_at, change_id, total) "
        f"SELECT id, UTC_TIMESTAMP(3), 1, 1 {of_rated}"
    )


def _hold_back_one_key(run: Run, queue: Queue) -> None:
    """Of the type that is claimed from."""
    queue.client.post(
        "/task-types/register",
        {"name": "bench.1", "version": "1", "param_schema": {}, "max_per_key": 1},
    )
    columns = f"INSERT INTO tasks ({data.TASK}, due_at, concurrency_key, key_slot)"
    type_id = "(SELECT id FROM task_types WHERE name = 'bench.1')"
    queue.sql(
        f"{columns} SELECT {type_id}, 'claimed', -9, 1, 3, 0, UTC_TIMESTAMP(3), '{{}}', "
        "UTC_TIMESTAMP(3) + INTERVAL 1 DAY, 'large', 1"
    )
    queue.sql(
        f"{columns} SELECT {type_id}, 'blocked', -9, 0, 3, 0, UTC_TIMESTAMP(3), '{{}}', NULL, "
        f"'large', 0 FROM seq_1_to_{run.count(**OF_ONE_KEY)}"
    )
    queue.sql(f"INSERT INTO lanes (type_id, concurrency_key) SELECT {type_id}, 'large'")


def _in_turns(run: Run, queues: dict[str, Queue]) -> None:
    """A claim of each after the other: what else the machine does slows all of them down."""
    clients = {name: Client(queue.url) for name, queue in queues.items()}
    claims: dict[str, list[float]] = {name: [] for name in queues}
    cycles: dict[str, list[float]] = {name: [] for name in queues}
    ends_at = time.monotonic() + run.count(**SECONDS)
    while time.monotonic() < ends_at or len(claims[CASES[0]]) < FEWEST:
        for name, client in clients.items():
            begun = time.perf_counter()
            task = client.post("/tasks/claim", {"worker_id": "bench"})
            claims[name].append((time.perf_counter() - begun) * 1000)
            if task is None or task["type"] != "bench.1":
                raise RuntimeError(f"{name}: {task} was claimed")
            client.post(f"/tasks/{task['id']}/complete", {"worker_id": "bench"})
            cycles[name].append((time.perf_counter() - begun) * 1000)
    table = Table(
        "Limits: milliseconds beside tasks that are held back",
        ["held back", "claim, median", "x without", "claim + complete, median", "x without"],
    )
    without = CASES[0]
    for name in queues:
        claim, cycle = statistics.median(claims[name]), statistics.median(cycles[name])
        times = claim / statistics.median(claims[without])
        of_cycle = cycle / statistics.median(cycles[without])
        table.add(name, claim, times, cycle, of_cycle)
        if name != without:
            run.report.goal(f"claim beside {name}: x without", times, at_most=1.1)
    table.note = (
        f"Keys and rates: {run.count(KEYS, 20):,} keys, each with {WAITING_PER_KEY} tasks that "
        f"wait, and {run.count(TYPES, 5)} types with a rate that is used up, each with "
        f"{WAITING_PER_TYPE}. One key: {run.count(**OF_ONE_KEY):,} tasks of one key, of the "
        "type that is claimed from. All of them are older and more urgent than what is claimed. "
        f"{len(claims[without]):,} claims each, in turns."
    )
    run.report.table(table)
