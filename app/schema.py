"""Making the tables, and the SQL files that make them, from :mod:`app.models`."""

from __future__ import annotations

from sqlalchemy import Dialect, Engine, insert, select
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from app.models import SCHEMA_VERSION, Base, Setting

HEADER = "-- TaskManager's tables{engine}. Made from app/models.py: change that, not this.\n"


def mysql_script() -> str:
    """``schema.sql``: imports into an empty MySQL or MariaDB database, again and again."""
    header = HEADER.format(engine=" for MySQL 5.7+ and MariaDB 10.2+")
    return header + "".join(_statements(mysql.dialect(), "INSERT IGNORE"))


def sqlite_script() -> str:
    """``app/sqlite.sql``: run when a SQLite file has no tables yet."""
    header = HEADER.format(engine=" for SQLite")
    return header + "".join(_statements(sqlite.dialect(), "INSERT OR IGNORE"))


def create_tables(engine: Engine) -> list[str]:
    """Create what is missing; the names of the tables that are there now.

    Raises sqlalchemy.exc.SQLAlchemyError when the database refuses.
    """
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        version = select(Setting.value).where(Setting.name == "schema_version")
        if connection.execute(version).first() is None:
            values = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
            connection.execute(insert(Setting).values(values))
    return sorted(Base.metadata.tables)


def _statements(dialect: Dialect, insert_once: str) -> list[str]:
    """Indexes go inside CREATE TABLE on MySQL, where CREATE INDEX has no IF NOT EXISTS."""
    texts = []
    for table in Base.metadata.sorted_tables:
        create = str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)).strip()
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        if dialect.name == "sqlite":
            texts.append(f"\n{_tidy(create)};\n")
            texts += [
                f"{CreateIndex(index, if_not_exists=True).compile(dialect=dialect)};\n"
                for index in indexes
            ]
        else:
            keys = [
                f"\t{'UNIQUE ' if index.unique else ''}KEY {index.name} "
                f"({', '.join(column.name for column in index.columns)})"
                for index in indexes
            ]
            body, end = create.rsplit("\n)", 1)
            inside = _tidy(",\n".join([body.rstrip(), *keys]))
            texts.append(f"\n{inside}\n) {end};\n")
    texts.append(
        f"\n{insert_once} INTO settings (name, value) "
        f"VALUES ('schema_version', '{SCHEMA_VERSION}');\n"
    )
    return texts


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.replace("\t", "    ").splitlines() if line)
