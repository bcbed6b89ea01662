"""Servers of several processes, as a host with some traffic runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.calls import register
from tests.faults.client_pool import ClientPool
from tests.support.database import empty, mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.server import Server

WORKERS = 4
THREADS = 2
SHORT_LEASES = {"TASK_CLAIM_TIMEOUT": 60, "MAX_TASK_ATTEMPTS": 1000}


@pytest.fixture(scope="session")
def sqlite_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("farm") / "queue.sqlite3"
    config = {"DATABASE_URL": f"sqlite:///{path}", **SHORT_LEASES}
    with Server(config, WORKERS, THREADS) as running:
        yield running


@pytest.fixture(scope="session")
def mariadb_farm(mariadb: DatabaseServer) -> Iterator[Server]:
    config = {"DATABASE_URL": mariadb_with_tables(mariadb, "tm_farm"), **SHORT_LEASES}
    with Server(config, WORKERS, THREADS) as running:
        yield running


@pytest.fixture
def farm(engine: str, request: pytest.FixtureRequest) -> Server:
    """A server of several processes with an empty queue and the task type ``plain``."""
    shared: Server = request.getfixturevalue(f"{engine}_farm")
    if not shared.is_running():
        shared.start()
    empty(shared.database_url)
    register(shared, "plain")
    return shared


@pytest.fixture
def pool(farm: Server, tmp_path: Path) -> Iterator[ClientPool]:
    """Clients of the farm."""
    with ClientPool(farm, tmp_path) as clients:
        yield clients
