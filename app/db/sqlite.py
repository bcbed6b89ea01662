"""SQLite: the embedded queue. The file and its tables appear at first use."""

from __future__ import annotations

import os
import sqlite3

from app.db.connection import Connection, Dialect, Result
from app.db.errors import DatabaseError, DatabaseUnavailable, Duplicate, TryAgain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Statement
    from app.db.url import DatabaseUrl

BUSY_SECONDS = 20.0
"""How long a writer waits for another; below the 30 seconds that many hosts give a request."""

TABLES_FILE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "sqlite.sql")


class SQLiteDialect(Dialect):
    begin = "BEGIN IMMEDIATE"
    now = "strftime('%Y-%m-%d %H:%M:%f','now')"
    last_id = "last_insert_rowid()"
    lock = ""
    by_primary_key = "NOT INDEXED"

    def after(self, seconds: str) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%f','now',printf('%+.3f seconds',{seconds}))"

    def seconds_since(self, column: str) -> str:
        return f"((julianday('now')-julianday({column}))*86400.0)"

    def timestamp(self, parameter: str) -> str:
        return parameter

    def by_index(self, name: str) -> str:
        return f"INDEXED BY {name}"

    def least(self, first: str, second: str) -> str:
        return f"MIN({first},{second})"


DIALECT = SQLiteDialect()


class SQLiteConnection(Connection):
    dialect = DIALECT

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def send(self, statements: Sequence[Statement]) -> list[Result]:
        try:
            return [self._execute(sql, parameters) for sql, parameters in statements]
        except sqlite3.Error as error:
            raise classify(error) from error

    def _execute(self, sql: str, parameters: dict[str, object]) -> Result:
        cursor = self._raw.execute(sql, parameters)
        if cursor.description is None:
            return Result([], cursor.rowcount, cursor.lastrowid or 0)
        names = [column[0] for column in cursor.description]
        return Result([dict(zip(names, row)) for row in cursor], 0, 0)

    def is_alive(self) -> bool:
        return True

    def rollback(self) -> bool:
        try:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def close(self) -> None:
        self._raw.close()


def open_connection(url: DatabaseUrl) -> SQLiteConnection:
    """Open the file, making it, its folder and its tables when they are not there yet."""
    try:
        os.makedirs(os.path.dirname(url.path), mode=0o700, exist_ok=True)
        _make_private(url.path)
        raw = sqlite3.connect(
            url.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnavailable(
            f"the SQLite file {url.path} cannot be opened ({error}); "
            "point DATABASE_URL at a folder that the server may write to"
        ) from error
    try:
        _prepare(raw)
    except sqlite3.Error as error:
        raw.close()
        raise classify(error) from error
    return SQLiteConnection(raw)


def _make_private(path: str) -> None:
    """Make the file, or take an empty one over, for its owner alone. SQLite gives its journals
    the mode of the file.

    A file that exists is never opened here: closing it would end the locks that other
    connections of this process hold on it (POSIX has it so).
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.stat(path).st_size == 0:
            os.chmod(path, 0o600)


def _prepare(raw: sqlite3.Connection) -> None:
    # WAL lets readers and a writer work at once; on file systems that cannot do it (NFS) SQLite
    # keeps its older journal, which is slower and as safe.
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("PRAGMA case_sensitive_like=ON")
    if raw.execute("SELECT 1 FROM sqlite_master WHERE name='settings'").fetchone() is None:
        create_tables(raw)


def create_tables(raw: sqlite3.Connection) -> None:
    """Make the tables that are missing, all or none, also when several processes try at once."""
    with open(TABLES_FILE, encoding="utf-8") as file:
        script = file.read()
    raw.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")


def classify(error: sqlite3.Error) -> DatabaseError:
    """The error in the program's own words. SQLite tells most of them apart by text alone."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in text:
        return Duplicate(text)
    if "locked" in text or "busy" in text:
        return TryAgain(text)
    if "no such table" in text or "no such column" in text:
        return DatabaseUnavailable(
            f"{text}: the file is not a queue of this version; run upgrade-db or use another file"
        )
    if isinstance(error, (sqlite3.OperationalError, sqlite3.DatabaseError)) and any(
        hint in text for hint in ("unable to open", "readonly", "disk", "full", "not a database")
    ):
        return DatabaseUnavailable(text)
    return DatabaseError(text)
