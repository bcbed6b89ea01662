"""Databases for tests, made and emptied behind the application's back."""

from __future__ import annotations

import sqlalchemy

from tests.support.mariadb import DatabaseServer
from tests.support.server import PROJECT

KEPT_TABLES = {"settings"}  # what the application wrote there describes the tables themselves


def mariadb_with_tables(mariadb: DatabaseServer, name: str) -> str:
    """A new database with the tables of schema.sql, brought in by the plain client: its address."""
    url = mariadb.create_database(name)
    mariadb.client((PROJECT / "schema.sql").read_text("utf-8"), name)
    return url


def empty(url: str) -> None:
    """Delete every row of the queue. Ids go on from where they were."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for table in set(sqlalchemy.inspect(connection).get_table_names()) - KEPT_TABLES:
            connection.execute(sqlalchemy.text(f"DELETE FROM {table}"))
    engine.dispose()
