"""The queue in process: its functions, called as the API calls them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.config import from_values
from app.queue import task_types
from app.site import Site
from tests.support.database import empty, mariadb_with_tables
from tests.support.mariadb import DatabaseServer


def site_at(url: str, **settings: Any) -> Site:
    return Site(from_values({"DATABASE_URL": url, **settings}))


def register(site: Site, name: str, **options: Any) -> int:
    """A task type that takes any params; its id."""
    found: int = task_types.register(site, name, "1", {}, options)["id"]
    return found


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """An empty queue on each engine."""
    made = site_at(database_url)
    yield made
    made.db.close()


@pytest.fixture(scope="session")
def queue_url(mariadb: DatabaseServer) -> str:
    return mariadb_with_tables(mariadb, "tm_queue")


@pytest.fixture
def mariadb_site(queue_url: str) -> Iterator[Site]:
    """An empty queue on MariaDB."""
    empty(queue_url)
    made = site_at(queue_url)
    yield made
    made.db.close()
