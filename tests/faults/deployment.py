"""A whole installation for a chaos run: web servers, the database behind them, wires between."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy

from tests.support.database import mariadb_with_tables
from tests.support.disk import mount, unmount
from tests.support.galera import Galera
from tests.support.mariadb import MariaDB
from tests.support.mysql import MySQL
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy

NAME = "tm_chaos"
DISK_MEGABYTES = 1024
CONFIG = {
    "MAX_TASK_ATTEMPTS": 1000,
    "RETRY_DELAY": 0.2,
    "RETRY_MAX_DELAY": 1,
    # All that happens is kept for the books.
    "RETAIN_SCHEDULE_RUNS": 100_000,
}


LOCKS = "SELECT * FROM information_schema.innodb_trx; SHOW FULL PROCESSLIST"


class Deployment:
    """``servers`` serve the clients. The database is reached by ``urls`` without any wire, one
    for each of its nodes.
    """

    servers: Sequence[Server]
    urls: Sequence[str]

    def tell_of_nodes(self) -> list[str]:
        """What differs between the database's nodes, after the end."""
        return []

    def tell_of_locks(self) -> str:
        """Who works on what in the database now, for a client that waits too long."""
        return ""


class OnSQLite(Deployment):
    """Two web servers share a file on a disk of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self.folder = new_folder(stack)
        mount(self.folder, DISK_MEGABYTES)
        stack.callback(unmount, self.folder)
        self.file = self.folder / "queue.sqlite3"
        self.urls = [f"sqlite:///{self.file}"]
        self.servers = start_servers(stack, self.urls * 2)


class OnMariaDB(Deployment):
    """Two web servers, each with a wire of its own to one MariaDB, which has a disk of its own."""

    product: type[MariaDB] = MariaDB

    def __init__(self, stack: ExitStack) -> None:
        self.database = self.product("--innodb-buffer-pool-size=64M")
        stack.callback(self.database.remove)
        self.folder = self.database.folder
        mount(self.folder, DISK_MEGABYTES)
        stack.callback(unmount, self.folder)
        stack.callback(self.database.kill)
        self.database.start()
        self.urls = [mariadb_with_tables(self.database, NAME)]
        self.wires = [stack.enter_context(TcpProxy(self.database.port)) for _ in range(2)]
        self.servers = start_servers(stack, [wire.through(self.urls[0]) for wire in self.wires])

    def tell_of_locks(self) -> str:
        return self.database.client(LOCKS)


class OnMySQL(OnMariaDB):
    """The same on MySQL 9."""

    product = MySQL


class OnGalera(Deployment):
    """A web server for each of three nodes."""

    def __init__(self, stack: ExitStack) -> None:
        self.cluster = stack.enter_context(Galera())
        self.urls = self.cluster.with_tables(NAME)
        self.wires = [stack.enter_context(TcpProxy(node.port)) for node in self.cluster.nodes]
        wired = [wire.through(url) for wire, url in zip(self.wires, self.urls)]
        self.servers = start_servers(stack, wired)

    def tell_of_nodes(self) -> list[str]:
        self.cluster.wait_until_whole()
        sums = [
            node.client("SET wsrep_sync_wait = 1; CHECKSUM TABLE tasks, task_history", NAME)
            for node in self.cluster.nodes
        ]
        return [] if len(set(sums)) == 1 else [f"the nodes differ: {sums}"]


DEPLOYMENTS: dict[str, type[Any]] = {
    "sqlite": OnSQLite,
    "mariadb": OnMariaDB,
    "mysql": OnMySQL,
    "galera": OnGalera,
}


@contextlib.contextmanager
def deployed(engine: str) -> Iterator[Any]:
    """The installation, ended and removed afterwards."""
    with ExitStack() as stack:
        yield DEPLOYMENTS[engine](stack)


def new_folder(stack: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tm-chaos-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def start_servers(stack: ExitStack, urls: Sequence[str]) -> list[Server]:
    servers = [Server({**CONFIG, "DATABASE_URL": url}, workers=2, threads=4) for url in urls]
    return [stack.enter_context(server) for server in servers]


def select(url: str, sql: str, **values: Any) -> list[dict[str, Any]]:
    """Rows of the database, behind the application's back."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(sql), values).mappings().all()
    return [dict(row) for row in found]
