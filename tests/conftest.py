"""Fixtures that every test may use. The machinery behind them is in tests/support."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from app.site import Site
from tests.support.browser import chromium
from tests.support.database import empty, mariadb_with_tables
from tests.support.file_order import in_turns
from tests.support.given import given_server
from tests.support.mariadb import DatabaseServer, MariaDB
from tests.support.queue import site_at
from tests.support.server import Server

TESTS = Path(__file__).parent


def pytest_configure() -> None:
    """A program that a script starts in the background ignores Ctrl-C, and so would all programs
    that the tests start and press it for.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One of several processes: the files that take longest are begun first."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        names = {item: item.path.relative_to(TESTS).as_posix() for item in items}
        places = in_turns(names.values())
        items.sort(key=lambda item: places[names[item]])


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest) -> str:
    """The database's kind: a test that takes it, or what depends on it, runs once for each.

    `@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)` asks for one alone.
    """
    return str(request.param)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """The server of TEST_DATABASE_SERVER, else a private MariaDB server, started when the first
    test asks for it. Tests that stop or configure a server start their own.
    """
    given = given_server()
    if given:
        yield given
        return
    # Commits do not wait for the disk, which matters only where the machine crashes.
    with MariaDB("--innodb-flush-method=nosync") as private:
        yield private


@pytest.fixture
def database_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database without any task: on SQLite no file yet, on MariaDB the tables of schema.sql."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'queue.sqlite3'}"
    url: str = request.getfixturevalue("mariadb_url")
    empty(url)
    return url


@pytest.fixture(scope="session")
def mariadb_url(mariadb: DatabaseServer) -> str:
    return mariadb_with_tables(mariadb, "tm_test")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The only one of a process: Playwright starts no second one beside it."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """An empty queue in the tests' own process."""
    made = site_at(database_url)
    yield made
    made.db.close()


@pytest.fixture(scope="session")
def queue_url(mariadb: DatabaseServer) -> str:
    return mariadb_with_tables(mariadb, "tm_queue")


@pytest.fixture
def mariadb_site(queue_url: str) -> Iterator[Site]:
    """The same on MariaDB alone."""
    empty(queue_url)
    made = site_at(queue_url)
    yield made
    made.db.close()


@pytest.fixture
def server(engine: str, request: pytest.FixtureRequest) -> Server:
    """A real server process with an empty queue of its own; it is used again by later tests."""
    shared: Server = request.getfixturevalue(f"{engine}_server")
    if not shared.is_running():
        shared.start()
    empty(shared.database_url)
    return shared


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("server") / "queue.sqlite3"
    with Server({"DATABASE_URL": f"sqlite:///{path}"}) as running:
        yield running


@pytest.fixture(scope="session")
def mariadb_server(mariadb: DatabaseServer) -> Iterator[Server]:
    with Server({"DATABASE_URL": mariadb_with_tables(mariadb, "tm_server")}) as running:
        yield running
