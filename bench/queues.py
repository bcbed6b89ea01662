"""Queues to measure: a version of TaskManager under a server, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.clients import Client
from bench.processor import Meter
from bench.servers import BEST, KeepAliveServer
from tests.support.mariadb import MariaDB
from tests.support.server import PROJECT


class Version(NamedTuple):
    """A checkout, and what it is called in tables."""

    name: str
    folder: Path


NOW = Version("now", PROJECT)


class Queue:
    """``url`` for HTTP, ``client`` with a connection that is open, ``sql`` behind its back."""

    def __init__(
        self, version: Version, server: KeepAliveServer, mariadb: MariaDB, database: str
    ) -> None:
        self.version = version
        self.config = str(server.config)
        self.meter = Meter(server.pids, mariadb.pid)
        self.url = server.url
        self.client = Client(server.url)
        self.database = database
        self.mariadb = mariadb

    def sql(self, text: str) -> str:
        """Run statements as the administrator. Returns rows as lines, columns by tabs."""
        return self.mariadb.client(text, self.database)

    def register(self, name: str, schema: object = None) -> None:
        body = {"name": name, "version": "1", "param_schema": schema or {}}
        self.client.post("/task-types/register", body)


@contextmanager
def serving(
    version: Version, mariadb: MariaDB, name: str, settings: Mapping[str, object] | None = None
) -> Iterator[Queue]:
    """An empty queue, until the block ends."""
    database = f"tm_bench_{name}_{version.name}"
    url = mariadb.create_database(database)
    mariadb.client((version.folder / "schema.sql").read_text("utf-8"), database)
    config = {"DATABASE_URL": url, **(settings or {})}
    try:
        with KeepAliveServer(BEST, config, version.folder) as server:
            yield Queue(version, server, mariadb, database)
    finally:
        mariadb.client(f"DROP DATABASE {database}")


@contextmanager
def serving_sqlite(version: Version, folder: Path) -> Iterator[str]:
    """The address of an empty queue on SQLite."""
    config = {"DATABASE_URL": f"sqlite:///{folder}/{version.name}.sqlite3"}
    with KeepAliveServer(BEST, config, version.folder) as server:
        yield server.url
