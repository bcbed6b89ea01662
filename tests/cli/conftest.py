"""Fixtures for commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.site import Site
from tests.cli.runner import Commands
from tests.support.mariadb import DatabaseServer
from tests.support.queue import site_at


@pytest.fixture
def commands(site: Site) -> Commands:
    """Commands on an empty queue in the tests' own process."""
    return Commands(site)


@pytest.fixture
def emptied_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Another, empty database of the same kind."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/restored.sqlite3"
    server: DatabaseServer = request.getfixturevalue("mariadb")
    return server.create_database("tm_restored")


@pytest.fixture
def emptied(emptied_url: str) -> Iterator[Site]:
    made = site_at(emptied_url)
    yield made
    made.db.close()
