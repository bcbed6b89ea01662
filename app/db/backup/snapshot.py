"""Reading every row of every table as they were at one moment, while others write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.db.backup.layout import TABLES
from app.db.backup.next_ids import read_next_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.db.backup.next_ids import NextIds
    from app.db.connection import Connection, Row, Statement
    from app.db.url import DatabaseUrl

PAGE = 200
"""Rows that are read at once. A task may hold a megabyte."""

PAGE_SECONDS = 120.0

BEGIN: dict[str, list[Statement]] = {
    "sqlite": [("BEGIN", {}), ("SELECT 1 FROM sqlite_master LIMIT 1", {})],
    "mysql": [
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", {}),
        ("START TRANSACTION WITH CONSISTENT SNAPSHOT", {}),
    ],
}


class Snapshot:
    """The tables at the moment when this is made. ``close`` ends it. Raises a DatabaseError."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._engine = url.engine
        self._connection = open_connection(url, PAGE_SECONDS)
        self._connection.send(BEGIN[url.engine])

    def close(self) -> None:
        self._connection.close()

    def schema_version(self) -> int:
        """0 where there are no tables yet."""
        sql = "SELECT value FROM settings WHERE name = 'schema_version'"
        if "settings" not in self.tables():
            return 0
        rows = self._query(sql, {})
        return int(rows[0]["value"]) if rows else 0

    def next_ids(self) -> NextIds:
        """Which id each table gives next."""
        self._connection.end_by(time.monotonic() + PAGE_SECONDS)
        return read_next_ids(self._connection, self._engine, self.tables())

    def tables(self) -> list[str]:
        """The tables of ours that there are: an older version has fewer."""
        from app.db.migrations.steps import AddTable

        return [name for name in TABLES if AddTable(name).is_done(self._connection, self._engine)]

    def count(self, table: str) -> int:
        (row,) = self._query(f"SELECT COUNT(*) AS total FROM {table}", {})
        return int(row["total"])

    def pages(self, table: str) -> Iterator[list[Row]]:
        """The rows of a table in the order of its primary key, some at a time: hosts limit how long
        one statement may take.
        """
        key = TABLES[table].primary_key
        index = self._connection.dialect.by_primary_key if self._engine == "mysql" else ""
        order = ", ".join(key)
        condition = ""
        values: dict[str, object] = {}
        while True:
            rows = self._query(
                f"SELECT * FROM {table} {index} {condition} ORDER BY {order} LIMIT {PAGE}", values
            )
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            condition = f"WHERE {after_key(key, self._engine)}"
            values = {f"key{n}": rows[-1][column] for n, column in enumerate(key)}

    def _query(self, sql: str, values: dict[str, object]) -> list[Row]:
        self._connection.end_by(time.monotonic() + PAGE_SECONDS)
        return self._connection.query(sql, values)


def after_key(key: tuple[str, ...], engine: str) -> str:
    """A condition for the rows behind one key, in the form that the engine serves by its index."""
    names = [f":key{n}" for n in range(len(key))]
    if engine == "sqlite":
        return f"({', '.join(key)}) > ({', '.join(names)})"
    condition = f"{key[-1]} > {names[-1]}"
    for column, name in reversed(list(zip(key[:-1], names[:-1]))):
        condition = f"({column} > {name} OR ({column} = {name} AND {condition}))"
    return condition


def open_connection(url: DatabaseUrl, seconds: float) -> Connection:
    """A connection outside of calls."""
    if url.engine == "sqlite":
        from app.db import sqlite

        return sqlite.open_connection(url, seconds)
    from app.db import mysql

    return mysql.open_connection(url, seconds)
