"""SQLite: the embedded queue. The file and its tables appear at first use."""

from __future__ import annotations

import os
import sqlite3
import time

from app.db.connection import Connection, Dialect, Result
from app.errors import DatabaseError, DatabaseUnavailable, Duplicate, StatementTooLong, TryAgain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Statement
    from app.db.url import DatabaseUrl

TABLES_FILE = os.path.join(os.path.dirname(__file__), "sqlite.sql")


class SQLiteDialect(Dialect):
    begin = "BEGIN IMMEDIATE"
    begin_reading = "BEGIN"
    now = "strftime('%Y-%m-%d %H:%M:%f','now')"
    last_id = "last_insert_rowid()"
    lock = ""
    by_primary_key = "NOT INDEXED"
    then_join = "CROSS JOIN"
    leaps_to_groups = False

    def first_id(self, rows: int) -> str:
        # One writer at a time, and AUTOINCREMENT: the ids have no gaps, and the last is known.
        return f"last_insert_rowid() - {rows - 1}"

    def after(self, seconds: str) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%f','now',printf('%+.3f seconds',{seconds}))"

    def seconds_since(self, column: str) -> str:
        return f"((julianday('now')-julianday({column}))*86400.0)"

    def timestamp(self, parameter: str) -> str:
        return parameter

    def by_index(self, name: str) -> str:
        return f"INDEXED BY {name}"

    def unless_there(self, *key: str) -> str:
        columns = ", ".join(column.rpartition(".")[2] for column in key)
        return f"ON CONFLICT ({columns}) DO NOTHING"

    def or_change(self, *key: str) -> str:
        columns = ", ".join(column.rpartition(".")[2] for column in key)
        return f"ON CONFLICT ({columns}) DO UPDATE SET"

    def given(self, column: str) -> str:
        return f"excluded.{column}"

    def least(self, first: str, second: str) -> str:
        return f"MIN({first},{second})"

    def whole_log(self, value: str, base: float) -> str:
        return f"whole_log({value},{base})"


DIALECT = SQLiteDialect()


class SQLiteConnection(Connection):
    dialect = DIALECT

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._ends_at = 0.0
        self._most_wait = float("inf")

    def end_by(self, moment: float) -> None:
        self._ends_at = moment
        self._wait_no_longer()

    def wait_for_locks(self, seconds: float | None) -> None:
        self._most_wait = float("inf") if seconds is None else seconds
        self._wait_no_longer()

    def send(self, statements: Sequence[Statement]) -> list[Result]:
        if statements[0][0] == DIALECT.begin:
            self._wait_no_longer()
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

    def _wait_no_longer(self) -> None:
        left = max(0.0, min(self._most_wait, self._ends_at - time.monotonic()))
        self._raw.execute(f"PRAGMA busy_timeout={int(left * 1000)}")

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


def lock_wait(seconds: float) -> float:
    """A wait ends with the call: no time is set aside for another one."""
    return 0.0


def open_connection(
    url: DatabaseUrl, seconds: float, ends_at: float | None = None
) -> SQLiteConnection:
    """Open the file, making it, its folder and its tables when they are not there yet.

    ``seconds`` is how long a call may take altogether; this one is to end at ``ends_at``
    (``time.monotonic``), by default when they are over.
    """
    try:
        os.makedirs(os.path.dirname(url.path), mode=0o700, exist_ok=True)
        _make_private(url.path)
        raw = sqlite3.connect(
            url.path, timeout=seconds, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnavailable(
            f"the SQLite file {url.path} cannot be opened ({error}); "
            "point DATABASE_URL at a folder that the server may write to"
        ) from error
    connection = SQLiteConnection(raw)
    connection.end_by(time.monotonic() + seconds if ends_at is None else ends_at)
    try:
        _prepare(raw)
        if not connection.query("SELECT 1 FROM sqlite_master WHERE name = 'settings'", {}):
            _make_tables(connection)
    except sqlite3.Error as error:
        raw.close()
        raise classify(error) from error
    except DatabaseError:
        raw.close()
        raise
    return connection


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
    raw.create_function("whole_log", 2, _whole_log)


def _whole_log(value: float, base: float) -> int:
    """SQLite has logarithms from version 3.35 on, and not in every build."""
    from math import log  # loaded when needed

    return int(log(value, base))


def _make_tables(connection: SQLiteConnection) -> None:
    """Make the tables that are missing, all or none, also when several processes try at once."""
    from app.db.foreign import refuse_foreign_tables

    refuse_foreign_tables(connection, "sqlite")
    with open(TABLES_FILE, encoding="utf-8") as file:
        script = file.read()
    connection._raw.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")


# Another process uses the file, opens it first, or ended the statement: nothing was done.
RIVALS = ("locked", "busy", "locking protocol", "interrupted", "schema has changed")
OTHER_TABLES = ("no such table", "no such column", "has no column named", "no such index")
DEFECTS = ("syntax error", "ambiguous", "within a transaction", "misuse")


def classify(error: sqlite3.Error) -> DatabaseError:
    """The error in the program's own words. SQLite tells most of them apart by text alone."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in text:
        return Duplicate(text)
    if any(hint in text for hint in RIVALS):
        return TryAgain(text)
    if any(hint in text for hint in OTHER_TABLES):
        return DatabaseUnavailable(
            f"{text}: the file is not a queue of this version; run upgrade-db or use another file"
        )
    if "too big" in text:
        return StatementTooLong(text)
    if _is_defect(error, text):
        return DatabaseError(text)
    return DatabaseUnavailable(f"the SQLite file cannot be used: {text}")


def _is_defect(error: sqlite3.Error, text: str) -> bool:
    """Whether a statement is wrong, or a value was let through that no column takes."""
    if not isinstance(error, sqlite3.DatabaseError):  # a misuse of the driver
        return True
    kinds = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.NotSupportedError)
    return isinstance(error, kinds) or any(hint in text for hint in DEFECTS)
