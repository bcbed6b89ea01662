"""Databases as earlier versions left them, and what is in a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy

from tests.support.mariadb import MariaDB
from tests.support.server import PROJECT

Row = dict[str, Any]


def dump(engine: str, version: int = 1) -> str:
    """The SQL of a queue in tables of this version, with tasks in every status."""
    kind = "sqlite" if engine == "sqlite" else "mysql"
    return (PROJECT / "tests" / "data" / f"version_{version}.{kind}.sql").read_text("utf-8")


def make_sqlite(path: Path, script: str) -> str:
    """A file that the script makes: its address."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return f"sqlite:///{path}"


def make_mariadb(mariadb: MariaDB, name: str, script: str) -> str:
    """A database that the script makes: its address."""
    url = mariadb.create_database(name)
    mariadb.client(script, name)
    return url


@contextmanager
def opened(url: str) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def execute(url: str, sql: str) -> None:
    with opened(url) as connection:
        connection.execute(sqlalchemy.text(sql))


def rows(url: str) -> dict[str, list[Row]]:
    """Every row of every table, in the order of the first column."""
    with opened(url) as connection:
        return {
            name: [
                dict(row._mapping)
                for row in connection.execute(sqlalchemy.text(f"SELECT * FROM {name} ORDER BY 1"))
            ]
            for name in sorted(sqlalchemy.inspect(connection).get_table_names())
        }


def tables(url: str) -> dict[str, Any]:
    """The columns and indexes of every table, whatever their order."""
    with opened(url) as connection:
        inspector = sqlalchemy.inspect(connection)
        return {
            name: {
                "columns": {
                    column["name"]: (repr(column["type"]), column["nullable"], column["default"])
                    for column in inspector.get_columns(name)
                },
                "indexes": {
                    index["name"]: (index["column_names"], bool(index["unique"]))
                    for index in inspector.get_indexes(name)
                },
                "key": inspector.get_pk_constraint(name)["constrained_columns"],
            }
            for name in inspector.get_table_names()
        }
