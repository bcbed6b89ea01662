"""Database access: plain SQL, one connection a process at a time.

Units of work are functions of a connection, run by :meth:`Database.run`, which repeats them when
the database says "try again" and turns every other error into one of those in :mod:`app.errors`.
The SQL that differs between engines is in :mod:`app.db.mysql` and :mod:`app.db.sqlite`, nowhere
else.
"""

from __future__ import annotations

import os
import time
from _thread import _local  # threading.local, without the rest of threading

from app.errors import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseError,
    OldTables,
    TryAgain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from app.db.connection import Connection, Dialect
    from app.db.url import DatabaseUrl

    T = TypeVar("T")

CALL_SECONDS = 20.0
"""How long a call may take by default: less than hosts allow a request."""

LONGEST_PAUSE = 0.5
"""Seconds between two tries."""

SHORT_LOCK_WAIT = 0.05
"""Seconds to wait for a lock, for work that may as well be done later."""

MAX_IDLE_CONNECTIONS = 4
"""Kept open between requests; a process that serves one request at a time keeps one."""

TRUSTED_IDLE_SECONDS = 1.0
"""A connection that was idle for longer is tested before it is used: cheap hosts cut idle ones."""


class Database:
    """The queue's database, reached through connections that outlive a request.

    ``seconds`` is how long a call may take, all of its tries included. Opening is left to the first
    use. Threads may share an instance; after a fork each process opens its own connections.
    """

    def __init__(self, url: DatabaseUrl, seconds: float = CALL_SECONDS) -> None:
        self.url = url
        self.seconds = seconds
        self._call = _local()
        self._idle: list[Connection] = []
        self._pid = os.getpid()
        if url.engine == "sqlite":
            from app.db import sqlite as engine
        else:
            from app.db import mysql as engine  # type: ignore[no-redef]
        self._lock_wait = engine.lock_wait(seconds)
        self.dialect: Dialect = engine.DIALECT
        self.classify: Callable[[Any], DatabaseError] = engine.classify
        """A driver's error in the program's own words."""
        self._open: Callable[[DatabaseUrl, float, float], Connection] = engine.open_connection

    def start_call(self) -> None:
        """Begin a call: until ``end_call`` all that this thread does here has ``seconds``."""
        self._call.ends_at = time.monotonic() + self.seconds

    def end_call(self) -> None:
        """The call is done; what comes next has a time of its own."""
        self._call.ends_at = None

    def run(self, work: Callable[[Connection], T], *, repeatable: bool = True) -> T:
        """Run ``work(connection)`` as one unit and return what it returns.

        A deadlock, a lock wait that timed out or a busy file rolls back and runs it again while
        there is time. A lost connection runs it again only when ``repeatable``: what the lost call
        did is unknown, so the work must have the same result when it is done twice.

        Raises DatabaseBusy, DatabaseUnavailable, Duplicate or another DatabaseError.
        """
        ends_at = self._ends_at()
        reconnected = False
        tries = 0
        while True:
            tries += 1
            connection = None
            try:
                connection = self._borrow(ends_at)
                connection.earlier_runs = tries - 1
                result = work(connection)
            except TryAgain as error:
                self._return_after_rollback(connection)
                pause = _pause(tries)
                if time.monotonic() + pause + self._lock_wait > ends_at:
                    raise DatabaseBusy(
                        f"the database was too busy {tries} times: {error}"
                    ) from error
                time.sleep(pause)
            except ConnectionLost:
                _discard(connection)
                if reconnected or not repeatable or time.monotonic() > ends_at:
                    raise
                reconnected = True
            except BaseException:
                self._return_after_rollback(connection)
                raise
            else:
                self._give_back(connection)
                return result

    def run_once(self, work: Callable[[Connection], T]) -> T:
        """Run ``work(connection)`` a single time, waiting only a moment for each lock: for what may
        as well be done later. Raises a DatabaseError, TryAgain among others.
        """
        connection = self._borrow(self._ends_at())
        try:
            connection.wait_for_locks(SHORT_LOCK_WAIT)
            result = work(connection)
            connection.wait_for_locks(None)
        except BaseException:
            _discard(connection)
            raise
        self._give_back(connection)
        return result

    def seconds_left(self) -> float:
        """How much of its time the call has left."""
        return max(0.0, self._ends_at() - time.monotonic())

    def check(self, schema_version: int) -> None:
        """Try what calls need: tables of this version or a later one, which have all that earlier
        ones have, and writes, which are rolled back.

        Raises DatabaseUnavailable, DatabaseBusy or another DatabaseError that says what is missing.
        """
        self.run(lambda connection: _check(connection, schema_version))

    def prepare(self) -> None:
        """Make the file and the tables of a SQLite queue that does not exist yet, for code that
        opens the file in another way.
        """
        if self.url.engine == "sqlite":
            self._give_back(self._borrow(self._ends_at()))

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _ends_at(self) -> float:
        """Until when (``time.monotonic``) what is begun now may take."""
        ends_at: float | None = getattr(self._call, "ends_at", None)
        return time.monotonic() + self.seconds if ends_at is None else ends_at

    def _borrow(self, ends_at: float) -> Connection:
        return self._take_idle(ends_at) or self._open(self.url, self.seconds, ends_at)

    def _take_idle(self, ends_at: float) -> Connection | None:
        if self._pid != os.getpid():
            self._idle = []
            self._pid = os.getpid()
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            connection.end_by(ends_at)
            rested = time.monotonic() - connection.last_used
            trusted = rested <= TRUSTED_IDLE_SECONDS
            if not connection.is_cut() and (trusted or connection.is_alive()):
                return connection
            connection.close()
        return None

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


def check_version(connection: Connection, schema_version: int) -> None:
    """Raises OldTables unless the tables are of this version or a later one."""
    rows = connection.query("SELECT value FROM settings WHERE name = 'schema_version'", {})
    found = int(rows[0]["value"]) if rows else 0
    if found < schema_version:
        raise OldTables(
            f"the tables are of version {found} and this release needs {schema_version}: "
            "run the upgrade, with deploy.py or flask --app passenger_wsgi upgrade-db"
        )


def _check(connection: Connection, schema_version: int) -> None:
    check_version(connection, schema_version)
    insert = "INSERT INTO settings (name, value) VALUES (:name, '')"
    connection.begin(
        [
            (insert, {"name": f"health check {os.urandom(8).hex()}"}),
            ("UPDATE tasks SET claim_id = NULL, change_id = NULL WHERE id = 0", {}),
            ("DELETE FROM task_history WHERE id = 0", {}),
        ]
    )
    connection.rollback()


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()


def _pause(tries: int) -> float:
    """A random wait, longer with each try, so that the same rivals do not meet again."""
    share: float = int.from_bytes(os.urandom(2), "big") / 65535
    return share * min(0.005 * (1 << min(tries, 10)), LONGEST_PAUSE)
