"""MySQL 5.7 and later, MariaDB 10.2 and later, through PyMySQL.

Statements that need no answer from one another travel in one packet: on a host where the
database is across a network, round trips are what a request costs.
"""

from __future__ import annotations

import re
import select

from app.db.connection import Connection, Dialect, Result
from app.db.driver import CLIENT, FIELD_TYPE, conversions, pymysql
from app.db.errors import (
    ConnectionLost,
    DatabaseError,
    DatabaseUnavailable,
    Duplicate,
    TooLarge,
    TryAgain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from app.db.connection import Statement
    from app.db.url import DatabaseUrl

CONNECT_SECONDS = 10
ANSWER_SECONDS = 25
PACKET_BYTES = 512 * 1024
"""Longer lists of statements are cut into several packets: old hosts allow 1 MiB each."""

# READ COMMITTED, because gap locks are what makes queues deadlock. The SQL mode is set so that
# nothing is cut or coerced in silence, whatever the host configured.
SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;"
    "SET autocommit=1, innodb_lock_wait_timeout=10,"
    " sql_mode='STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"
)

# The last three: a statement that was killed, by hand or by the host's limit of time.
TRY_AGAIN = {1020, 1205, 1213, 1317, 1969, 3024}
LOST = {1053, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2014, 2055, 0}
DUPLICATE = {1062, 1586}
TOO_LARGE = {1153}
UNAVAILABLE = {
    1040: "the database has no free connection",
    1044: "the database user may not use this database",
    1045: "the database refuses the user name or password",
    1047: "the database node is not ready",
    1049: "the database does not exist",
    1054: "the tables are of another version; run the upgrade (upgrade-db)",
    1146: "tables are missing; import schema.sql, or run init-db or upgrade-db",
    1203: "the database user has too many connections",
    1226: "the database user has used up its allowance",
    1290: "the database is read-only",
    2002: "the database cannot be reached",
    2003: "the database cannot be reached",
    2005: "the database's host name is unknown",
}

PARAMETER = re.compile(r":([a-z_][a-z0-9_]*)")
_formats: dict[str, str] = {}


class MySQLDialect(Dialect):
    begin = "START TRANSACTION"
    now = "UTC_TIMESTAMP(3)"
    last_id = "LAST_INSERT_ID()"
    lock = "FOR UPDATE"
    by_primary_key = "FORCE INDEX (PRIMARY)"

    def after(self, seconds: str) -> str:
        # Microseconds as an integer: fractions of SECOND lose precision in old versions.
        return f"(UTC_TIMESTAMP(3) + INTERVAL ROUND(({seconds})*1000000) MICROSECOND)"

    def seconds_since(self, column: str) -> str:
        return f"(TIMESTAMPDIFF(MICROSECOND,{column},UTC_TIMESTAMP(3))/1000000.0)"

    def timestamp(self, parameter: str) -> str:
        return f"CAST({parameter} AS DATETIME(3))"

    def by_index(self, name: str) -> str:
        return f"FORCE INDEX ({name})"

    def least(self, first: str, second: str) -> str:
        return f"LEAST({first},{second})"


DIALECT = MySQLDialect()


class MySQLConnection(Connection):
    dialect = DIALECT

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def send(self, statements: Sequence[Statement]) -> list[Result]:
        cursor = self._raw.cursor()
        results: list[Result] = []
        try:
            texts = [cursor.mogrify(_format(sql), values) for sql, values in statements]
            for packet in _packets(texts):
                cursor.execute(packet)
                results.append(_result(cursor))
                while cursor.nextset():
                    results.append(_result(cursor))
        except pymysql.MySQLError as error:
            raise classify(error) from error
        return results

    def is_cut(self) -> bool:
        # Between calls the server says nothing, but for a last word before it hangs up.
        waiting = select.poll()
        waiting.register(self._raw._sock, select.POLLIN)
        return bool(waiting.poll(0))

    def is_alive(self) -> bool:
        try:
            self._raw.ping(reconnect=False)
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def rollback(self) -> bool:
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


def open_connection(url: DatabaseUrl) -> MySQLConnection:
    """Connect, without TLS first: its set-up costs ten times the rest of a connect.

    ``?ssl=true`` in the URL asks for TLS. A server that lets this user in only over TLS gets a
    second try with it.
    """
    try:
        return MySQLConnection(_connect(url, ssl_disabled=not url.tls))
    except (pymysql.MySQLError, RuntimeError) as error:  # RuntimeError: no RSA without a package
        if url.tls or not _wants_tls(error):
            raise classify(error) from error
    try:
        return MySQLConnection(_connect(url, ssl_disabled=False))
    except pymysql.MySQLError as error:
        raise classify(error) from error


def _connect(url: DatabaseUrl, ssl_disabled: bool) -> Any:
    raw: Any = pymysql.connect(
        host=url.host,
        port=url.port,
        unix_socket=url.socket or None,
        user=url.user,
        password=url.password,
        database=url.database,
        charset="utf8mb4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        write_timeout=ANSWER_SECONDS,
        autocommit=None,
        init_command=SESSION,
        client_flag=CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
        conv={**conversions, FIELD_TYPE.DATETIME: str},
        ssl_disabled=ssl_disabled,
    )
    if url.tls and not raw._secure:
        raw.close()
        raise DatabaseUnavailable("the database offers no TLS, and DATABASE_URL insists on it")
    return raw


def _wants_tls(error: Exception) -> bool:
    """3159: the server requires TLS. 2061 and RSA: caching_sha2_password needs a safe channel."""
    text = str(error)
    return any(hint in text for hint in ("3159", "2061", "secure", "RSA", "cryptography"))


def _format(sql: str) -> str:
    """``:name`` as PyMySQL writes it, remembered for each text."""
    known = _formats.get(sql)
    if known is None:
        known = _formats[sql] = PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
        if len(_formats) > 500:
            _formats.clear()
    return known


def _packets(texts: list[str]) -> Iterator[str]:
    packet: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if packet and size + length > PACKET_BYTES:
            yield ";\n".join(packet)
            packet, size = [], 0
        packet.append(text)
        size += length
    yield ";\n".join(packet)


def _result(cursor: Any) -> Result:
    if cursor.description is None:
        return Result([], cursor.rowcount, cursor.lastrowid)
    names = [column[0] for column in cursor.description]
    return Result([dict(zip(names, row)) for row in cursor.fetchall()], 0, 0)


def classify(error: Exception) -> DatabaseError:
    """The error in the program's own words, by its number."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else -1
    text = str(error)
    if number in TRY_AGAIN:
        return TryAgain(text)
    if number in DUPLICATE:
        return Duplicate(text)
    if number in TOO_LARGE:
        return TooLarge(text)
    if number in UNAVAILABLE:
        return DatabaseUnavailable(f"{UNAVAILABLE[number]} ({text})")
    if number in LOST:
        return ConnectionLost(text)
    return DatabaseError(text)
