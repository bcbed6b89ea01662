"""Restoring a dump: its rows take the place of an empty database's.

A mark in ``settings`` says that a restore has begun. An interrupted restore starts over: what it
left behind is deleted first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db import Database
from app.db.backup.layout import TABLES
from app.db.backup.next_ids import raise_next_ids, read_next_ids
from app.errors import TaskManagerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.db.backup.dump_reader import DumpReader, Rows
    from app.db.connection import Connection, Row, Statement
    from app.db.url import DatabaseUrl

MARK = "restore"
"""The row of ``settings`` that is there from the beginning of a restore to its end."""

SECONDS = 600.0
DELETE_BATCH = 2000
STATEMENTS_AT_ONCE = 20


class NotEmpty(TaskManagerError):
    """The database holds something that a restore would mix with."""


class Restore:
    """A restore into the tables of a database, which have to be there. ``close`` afterwards.
    Raises a DatabaseError.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self._db = Database(url, SECONDS)
        self._engine = url.engine

    def close(self) -> None:
        self._db.close()

    def rows_found(self) -> dict[str, int]:
        """How many rows the tables hold that are not empty, at most so many as are deleted at once
        of each; nothing where an earlier restore was interrupted.
        """
        if self._query(f"SELECT value FROM settings WHERE name = '{MARK}'"):
            return {}
        found = {}
        for name in TABLES:
            if name not in ("settings", "sessions"):
                first = f"SELECT 1 FROM {name} LIMIT {DELETE_BATCH}"
                (row,) = self._query(f"SELECT COUNT(*) AS total FROM ({first}) AS few")
                found[name] = int(row["total"])
        return {name: count for name, count in found.items() if count}

    def run(self, dump: DumpReader, advance: Callable[[], None]) -> int:
        """Replace what the tables hold by what the dump holds; how many rows that was. Raises
        BadBackup, after which the restore counts as interrupted.
        """
        self._send([(f"REPLACE INTO settings (name, value) VALUES ('{MARK}', 'begun')", {})])
        self._go_on_with(dump.next_ids)
        for name in TABLES:
            self._empty(name)
        count = 0
        statements: list[Statement] = []
        for rows in dump:
            statements.append(insert(rows))
            count += len(rows.values)
            if len(statements) == STATEMENTS_AT_ONCE:
                self._send(statements)
                statements = []
                advance()
        version = "REPLACE INTO settings (name, value) VALUES ('schema_version', :version)"
        statements.append((version, {"version": str(dump.schema_version)}))
        # Some may have signed out since the backup was made.
        statements.append(("DELETE FROM sessions", {}))
        statements.append((f"DELETE FROM settings WHERE name = '{MARK}'", {}))
        self._send(statements)
        advance()
        return count

    def _go_on_with(self, next_ids: Mapping[str, int]) -> None:
        """What the database has given stays given, too: emptying it does not change that."""
        current = self._db.run(lambda connection: read_next_ids(connection, self._engine))
        statements = raise_next_ids(self._engine, current, next_ids)
        if statements:
            self._send(statements)

    def _empty(self, table: str) -> None:
        """In batches, which no server finds too large."""
        if table == "settings":
            kept = f"('{MARK}', 'schema_version')"
            self._send([(f"DELETE FROM settings WHERE name NOT IN {kept}", {})])
        elif self._engine == "sqlite":
            self._send([(f"DELETE FROM {table}", {})])
        else:
            delete = f"DELETE FROM {table} LIMIT {DELETE_BATCH}"
            while self._send([(delete, {})])[0]:
                pass

    def _query(self, sql: str) -> list[Row]:
        return self._db.run(lambda connection: connection.query(sql, {}))

    def _send(self, statements: Sequence[Statement]) -> list[int]:
        """All of them or none; how many rows each changed. May be done twice."""

        def work(connection: Connection) -> list[int]:
            return [result.changed for result in connection.transact(statements)]

        return self._db.run(work)


def insert(rows: Rows) -> Statement:
    """REPLACE, so that it does the same when it is done twice."""
    places = [
        "(" + ", ".join(f":v{n}_{column}" for column in range(len(row))) + ")"
        for n, row in enumerate(rows.values)
    ]
    values = {
        f"v{n}_{column}": value
        for n, row in enumerate(rows.values)
        for column, value in enumerate(row)
    }
    columns = ", ".join(rows.columns)
    return f"REPLACE INTO {rows.table} ({columns}) VALUES {', '.join(places)}", values


def described(found: dict[str, int]) -> str:
    """``tasks (3 rows), workers (1 row)``; very many are not counted."""
    return ", ".join(_few(name, count) for name, count in found.items())


def _few(name: str, count: int) -> str:
    told = f"{count} or more" if count >= DELETE_BATCH else str(count)
    return f"{name} ({told} {'row' if count == 1 else 'rows'})"
