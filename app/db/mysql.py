"""MySQL 5.7 and later, MariaDB 10.2 and later, through PyMySQL.

Statements that need no answer from one another travel in one packet: on a host where the
database is across a network, round trips are what a request costs.
"""

from __future__ import annotations

import re
import select
import time

from app.db.connection import ALIVE_SHARE, Connection, Dialect
from app.db.driver import COMMAND, pymysql
from app.db.mysql_errors import classify
from app.db.mysql_results import read_results
from app.db.mysql_session import (
    LOCK_SECONDS,
    lock_seconds,
    open_session,
    skips_locked_rows,
)
from app.db.prefix import with_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from app.db.connection import Result, Statement
    from app.db.url import DatabaseUrl

PACKET_BYTES = 512 * 1024
"""Longer lists of statements are cut into several packets: old hosts allow 1 MiB each."""

SHORTEST_WAIT = 0.5
"""Seconds to wait for a result even when the call's time is up."""

PARAMETER = re.compile(r":([a-z_][a-z0-9_]*)")
_formats: dict[tuple[str, str], str] = {}

LONGEST_REMEMBERED = 4000
"""Characters of a statement whose format is remembered: those of large batches differ too much."""


class MySQLDialect(Dialect):
    begin = "START TRANSACTION"
    begin_reading = "START TRANSACTION"
    before_snapshot = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",)
    before_dirty_read = ("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",)
    now = "UTC_TIMESTAMP(3)"
    last_id = "LAST_INSERT_ID()"
    lock = "FOR UPDATE"
    by_primary_key = "FORCE INDEX (PRIMARY)"
    then_join = "STRAIGHT_JOIN"
    leaps_to_groups = True

    def first_id(self, rows: int) -> str:
        return "LAST_INSERT_ID()"

    def after(self, seconds: str) -> str:
        # Microseconds as an integer: fractions of SECOND lose precision in old versions.
        return f"(UTC_TIMESTAMP(3) + INTERVAL ROUND(({seconds})*1000000) MICROSECOND)"

    def seconds_since(self, column: str) -> str:
        return f"(TIMESTAMPDIFF(MICROSECOND,{column},UTC_TIMESTAMP(3))/1000000.0)"

    def timestamp(self, parameter: str) -> str:
        return f"CAST({parameter} AS DATETIME(3))"

    def by_index(self, name: str) -> str:
        return f"FORCE INDEX ({name})"

    def unless_there(self, *key: str) -> str:
        # INSERT IGNORE would share the lock: two who then change the row would deadlock.
        return f"ON DUPLICATE KEY UPDATE {key[0]} = {key[0]}"

    def or_change(self, *key: str) -> str:
        return "ON DUPLICATE KEY UPDATE"

    def given(self, column: str) -> str:
        return f"VALUES({column})"

    def least(self, first: str, second: str) -> str:
        return f"LEAST({first},{second})"

    def whole_log(self, value: str, base: float) -> str:
        return f"FLOOR(LN({value})/LN({base}))"


DIALECT = MySQLDialect()


class MySQLConnection(Connection):
    dialect = DIALECT

    def __init__(self, raw: Any, prefix: str = "", lock_seconds: int = LOCK_SECONDS) -> None:
        self._raw = raw
        self._ends_at = 0.0
        self._lock_seconds = lock_seconds
        self.prefix = prefix
        skips = skips_locked_rows(raw.get_server_info())
        self.lock_what_is_free = "FOR UPDATE SKIP LOCKED" if skips else DIALECT.lock

    def end_by(self, moment: float) -> None:
        self._ends_at = moment

    def wait_for_locks(self, seconds: float | None) -> None:
        if self.lock_what_is_free != DIALECT.lock:
            return
        whole = self._lock_seconds if seconds is None else max(1, round(seconds))
        self.send([(f"SET innodb_lock_wait_timeout = {whole}", {})])

    def send(self, statements: Sequence[Statement]) -> list[Result]:
        self._wait_no_longer()
        cursor = self._raw.cursor()
        results: list[Result] = []
        try:
            texts = [
                cursor.mogrify(_format(sql, self.prefix), values).encode("utf-8", "surrogateescape")
                for sql, values in statements
            ]
            for packet in _packets(texts):
                self._raw._execute_command(COMMAND.COM_QUERY, packet)
                results += read_results(self._raw)
        except pymysql.MySQLError as error:
            raise classify(error) from error
        return results

    def is_cut(self) -> bool:
        # Between calls the server sends nothing except a last packet before it closes.
        waiting = select.poll()
        waiting.register(self._raw._sock, select.POLLIN)
        return bool(waiting.poll(0))

    def _wait_no_longer(self, share: float = 1.0) -> None:
        """Wait for the next answer until the call ends, or for a share of that time."""
        wait = max(SHORTEST_WAIT, (self._ends_at - time.monotonic()) * share)
        self._raw._read_timeout = self._raw._write_timeout = wait

    def is_alive(self) -> bool:
        # A firewall may have forgotten the connection: then nothing ever comes back.
        self._wait_no_longer(ALIVE_SHARE)
        try:
            self._raw.ping(reconnect=False)
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def rollback(self) -> bool:
        self._wait_no_longer()
        try:
            self._raw.rollback()
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def close(self) -> None:
        try:
            self._raw.close()
        except (pymysql.MySQLError, OSError):
            self._raw._force_close()


def lock_wait(seconds: float) -> float:
    """How long one try of a call that has so many seconds may wait for a lock."""
    return lock_seconds(seconds)


def open_connection(
    url: DatabaseUrl, seconds: float, ends_at: float | None = None
) -> MySQLConnection:
    """Connect, with waits that fit a call of so many seconds, which is to end at ``ends_at``
    (``time.monotonic``), by default when they are over. Raises a DatabaseError.
    """
    now = time.monotonic()
    moment = now + seconds if ends_at is None else ends_at
    session = open_session(url, seconds, moment - now)
    connection = MySQLConnection(session.raw, url.table_prefix, lock_seconds(seconds))
    connection.is_cluster = session.is_cluster
    connection.has_snapshots = session.has_snapshots
    connection.end_by(moment)
    return connection


def _format(sql: str, prefix: str) -> str:
    """``:name`` as PyMySQL writes it and tables by their own names, remembered for each text."""
    known = _formats.get((sql, prefix))
    if known is None:
        named = with_prefix(sql.replace("%", "%%"), prefix)
        known = PARAMETER.sub(r"%(\1)s", named)
        if len(_formats) >= 500:
            _formats.clear()
        if len(sql) <= LONGEST_REMEMBERED:
            _formats[sql, prefix] = known
    return known


def _packets(texts: list[bytes]) -> Iterator[bytes]:
    packet: list[bytes] = []
    size = 0
    for text in texts:
        if packet and size + len(text) > PACKET_BYTES:
            yield b";\n".join(packet)
            packet, size = [], 0
        packet.append(text)
        size += len(text)
    yield b";\n".join(packet)
