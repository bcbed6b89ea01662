"""Eight clients at once make thousands of calls of every kind; then the tables must be as they
always must be, and what each client was told must be true.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable

from app.api.routes import ROUTES
from tests.faults.calls import register
from tests.faults.client_pool import ClientPool, Event
from tests.faults.random_calls import LIMITED, MAX_RUNNING, TYPE_SETTINGS
from tests.model.invariants import broken
from tests.model.rows import Rows, read_rows
from tests.support.queue import site_at
from tests.support.server import Server

CLIENTS = 8
CALLS = {"mariadb": 5_000, "sqlite": 2_000}
SEED = 8
SLOWEST = 20
"""Calls a second, by all clients together, that the slowest machine makes."""
VARIABLE = "RANDOM_CALLS"
"""How many calls there are. Without it there are CALLS, the same from each client every time."""


def test_the_tables_after_thousands_of_random_calls(
    engine: str, farm: Server, pool: ClientPool
) -> None:
    for name, settings in TYPE_SETTINGS.items():
        register(farm, name, **settings)
    given = os.environ.get(VARIABLE)
    seed = SEED if given is None else random.randrange(10**6)
    print(f"seed {seed}")
    calls = int(given or CALLS[engine])
    options = {"steps": calls // CLIENTS, "clients": CLIENTS, "seed": seed}
    pool.start(["call_at_random"] * CLIENTS, **options)
    pool.join(calls / SLOWEST)

    site = site_at(farm.database_url)
    rows = read_rows(site)
    site.db.close()
    statuses = Counter(event["status"] for event in pool.events("response"))
    assert not [status for status in statuses if status >= 500], statuses
    assert broken(rows) == []
    assert told_wrongly(rows, pool) == []
    assert len(running(rows, LIMITED)) <= MAX_RUNNING
    called = {(event["method"], event["template"]) for event in pool.events("called")}
    assert {(route.method, route.template) for route in ROUTES} <= called


def told_wrongly(rows: Rows, pool: ClientPool) -> list[str]:
    """What clients were told and the tables do not have."""
    deleted = {event["id"] for event in pool.events("deleted")}
    claimed, settled = pool.events("claimed"), pool.events("settled")
    lost = {event["id"] for event in pool.events("created")} - set(rows.tasks) - deleted
    found = [f"task {task_id} was made, and is neither there nor deleted" for task_id in lost]
    found += [f"attempt {claim} was given to {names}" for claim, names in shared(claimed).items()]
    found += [f"{event} is not in the history" for event in untold(rows, claimed, "claimed")]
    completed = [event for event in settled if event["kind"] == "complete"]
    found += [f"{event} is not in the history" for event in untold(rows, completed, "completed")]
    return found


def shared(claimed: Iterable[Event]) -> dict[tuple[int, int], set[str]]:
    """The attempts that more than one client got."""
    clients: dict[tuple[int, int], set[str]] = defaultdict(set)
    for event in claimed:
        clients[event["id"], event["attempt"]].add(event["by"])
    return {claim: names for claim, names in clients.items() if len(names) > 1}


def untold(rows: Rows, events: Iterable[Event], status: str) -> list[Event]:
    """Events without a line in the history of their task, if that is there still."""
    lines = {
        (task_id, line["attempt"])
        for task_id, history in rows.history.items()
        for line in history
        if line["status"] == status
    }
    return [
        event
        for event in events
        if event["id"] in rows.tasks and (event["id"], event["attempt"]) not in lines
    ]


def running(rows: Rows, type_name: str) -> list[int]:
    types = [row["id"] for row in rows.types.values() if row["name"] == type_name]
    return [row["id"] for row in rows.with_status("claimed") if row["type_id"] in types]
