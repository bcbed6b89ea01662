"""Databases for tests, made and emptied behind the application's back."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from typing import Any

import pymysql
import sqlalchemy
from pymysql.constants import CLIENT

from tests.support.mariadb import DatabaseServer
from tests.support.server import PROJECT

SECONDS = 60
KEPT_TABLES = {"settings"}  # what the application wrote there describes the tables themselves


def mariadb_with_tables(mariadb: DatabaseServer, name: str) -> str:
    """A new database with the tables of schema.sql, brought in by the plain client: its address."""
    url = mariadb.create_database(name)
    mariadb.client((PROJECT / "schema.sql").read_text("utf-8"), name)
    return url


def empty(url: str) -> None:
    """Delete every row of the queue. Ids go on from where they were.

    By the driver: this runs before most tests, and takes SQLAlchemy ten times as long.
    """
    address = sqlalchemy.make_url(url)
    if address.get_backend_name() == "sqlite":
        _empty_sqlite(str(address.database))
    else:
        _empty_mysql(address)


def restart_ids(url: str) -> None:
    """Let ids begin at 1 again in a queue that is empty, for examples that name some."""
    address = sqlalchemy.make_url(url)
    if address.get_backend_name() == "sqlite":
        file = sqlite3.connect(str(address.database), timeout=SECONDS)
        with contextlib.closing(file), file:
            file.execute("DELETE FROM sqlite_sequence")
        return
    with contextlib.closing(_connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks AUTO_INCREMENT = 1")


def _empty_sqlite(path: str) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=SECONDS)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = [name for (name,) in rows if not name.startswith("sqlite_")]
        with connection:
            for table in _to_empty(tables):
                connection.execute(f"DELETE FROM {table}")


def _empty_mysql(address: sqlalchemy.URL) -> None:
    connection = _connect(address)
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        tables = _to_empty(name for (name,) in cursor.fetchall())
        cursor.execute(";".join(f"DELETE FROM {table}" for table in tables))
        while cursor.nextset():
            pass
        connection.commit()


def _connect(address: sqlalchemy.URL) -> pymysql.Connection[Any]:
    options = {
        "host": address.host,
        "port": address.port or 3306,
        "user": address.username,
        "password": address.password or "",
        "database": address.database,
        "unix_socket": address.query.get("unix_socket"),
        "client_flag": CLIENT.MULTI_STATEMENTS,
        "read_timeout": SECONDS,
    }
    try:
        return pymysql.connect(**options, ssl_disabled=True)
    except RuntimeError:  # the first login to MySQL 8 or newer, whose password needs TLS
        return pymysql.connect(**options)


def _to_empty(tables: Iterable[str]) -> list[str]:
    return [name for name in tables if name not in KEPT_TABLES]
