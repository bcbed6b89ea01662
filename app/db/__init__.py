"""The worker path's database access: plain SQL, one connection a process at a time.

Units of work are functions of a connection, run by :meth:`Database.run`, which repeats them when
the database says "try again" and turns every other trouble into one of the errors in
:mod:`app.db.errors`. The SQL that differs between engines is in :mod:`app.db.mysql` and
:mod:`app.db.sqlite`, nowhere else.
"""

from __future__ import annotations

import os
import time

from app.db.errors import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    TryAgain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from app.db.connection import Connection, Dialect

    T = TypeVar("T")

MAX_TRIES = 8
"""How often a unit of work is tried when the database answers "deadlock" or "busy"."""

MAX_IDLE_CONNECTIONS = 4
"""Kept open between requests; a process that serves one request at a time keeps one."""

TRUSTED_IDLE_SECONDS = 1.0
"""A connection that rested longer is asked whether it lives: cheap hosts cut idle ones."""


class Database:
    """The queue's database, reached through connections that outlive a request.

    ``url`` is a :class:`app.db.url.DatabaseUrl`. Opening is left to the first use. Threads may
    share an instance; after a fork each process opens connections of its own.
    """

    def __init__(self, url: Any) -> None:
        self.url = url
        self._idle: list[Connection] = []
        self._pid = os.getpid()
        if url.engine == "sqlite":
            from app.db import sqlite as engine
        else:
            from app.db import mysql as engine  # type: ignore[no-redef]
        self.dialect: Dialect = engine.DIALECT
        self.classify: Callable[[Any], DatabaseError] = engine.classify
        """A driver's error in the program's own words."""
        self._open: Callable[[Any], Connection] = engine.open_connection

    def run(self, work: Callable[[Connection], T], *, repeatable: bool = True) -> T:
        """Run ``work(connection)`` as one unit and return what it returns.

        A deadlock, a lock wait that timed out or a busy file rolls back and runs it again, at
        most ``MAX_TRIES`` times. A lost connection runs it again only when ``repeatable``: what
        the lost call did is unknown, so the work must come to the same end when done twice.

        Raises DatabaseBusy, DatabaseUnavailable, Duplicate or another DatabaseError.
        """
        reconnected = False
        for tries in range(1, MAX_TRIES + 1):
            connection = None
            try:
                connection = self._borrow()
                result = work(connection)
            except TryAgain:
                self._return_after_rollback(connection)
                time.sleep(_pause(tries))
            except ConnectionLost:
                _discard(connection)
                if reconnected or not repeatable:
                    raise
                reconnected = True
            except BaseException:
                self._return_after_rollback(connection)
                raise
            else:
                self._give_back(connection)
                return result
        raise DatabaseBusy(f"the database was too busy {MAX_TRIES} times in a row")

    def check(self, schema_version: int) -> None:
        """Raises DatabaseUnavailable or DatabaseBusy unless the database answers and its tables
        are of this version or a later one: later tables have all that earlier ones have.
        """
        sql = "SELECT value FROM settings WHERE name = 'schema_version'"
        rows = self.run(lambda connection: connection.query(sql, {}))
        found = int(rows[0]["value"]) if rows else 0
        if found < schema_version:
            raise DatabaseUnavailable(
                f"the tables are of version {found} and this release needs {schema_version}: "
                "run the upgrade, with deploy.py or flask --app passenger_wsgi upgrade-db"
            )

    def prepare(self) -> None:
        """Make the file and the tables of a SQLite queue that is not there yet: other ways to the
        database than this one would find it empty.
        """
        if self.url.engine == "sqlite":
            self._give_back(self._borrow())

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _borrow(self) -> Connection:
        if self._pid != os.getpid():
            self._idle = []
            self._pid = os.getpid()
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            rested = time.monotonic() - connection.last_used
            trusted = rested <= TRUSTED_IDLE_SECONDS
            if not connection.is_cut() and (trusted or connection.is_alive()):
                return connection
            connection.close()
        return self._open(self.url)

    def _give_back(self, connection: Connection) -> None:
        connection.last_used = time.monotonic()
        if len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def _return_after_rollback(self, connection: Connection | None) -> None:
        if connection is not None and connection.rollback():
            self._give_back(connection)
        else:
            _discard(connection)


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()


def _pause(tries: int) -> float:
    """A random wait, longer with each try, so that the same rivals do not meet again."""
    share: float = int.from_bytes(os.urandom(2), "big") / 65535
    return share * 0.005 * (1 << tries)
