"""Making the tables, and the SQL files that make them, from :mod:`app.models`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Dialect, Index, Table
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from app.models import Base
from app.version import SCHEMA_VERSION

HEADER = "-- TaskManager's tables{engine}. Made from app/models.py: change that, not this.\n"


def mysql_script() -> str:
    """``schema.sql``: imports into an empty MySQL or MariaDB database, again and again."""
    header = HEADER.format(engine=" for MySQL 5.7+ and MariaDB 10.2+")
    return header + _script("mysql", "INSERT IGNORE")


def sqlite_script() -> str:
    """``app/sqlite.sql``: run when a SQLite file has no tables yet."""
    header = HEADER.format(engine=" for SQLite")
    return header + _script("sqlite", "INSERT OR IGNORE")


def table_statements(name: str, engine: str) -> list[str]:
    """What makes one table with its indexes, where it is missing. ``engine`` as in DatabaseUrl."""
    table = Base.metadata.tables[name]
    return _sqlite_table(table) if engine == "sqlite" else _mysql_table(table)


def column_statements(table: str, names: Sequence[str], engine: str) -> list[str]:
    """What adds columns to a table. Raises ValueError when that would stop older releases."""
    definitions = []
    for name in names:
        column = Base.metadata.tables[table].columns[name]
        if not column.nullable and column.server_default is None:
            raise ValueError(
                f"{table}.{name} needs a server_default: older releases do not fill it"
            )
        definitions.append(f"ADD COLUMN {CreateColumn(column).compile(dialect=_dialect(engine))}")
    if engine == "sqlite":
        return [f"ALTER TABLE {table} {definition}" for definition in definitions]
    return [f"ALTER TABLE {table} {', '.join(definitions)}"]


def index_statements(table: str, name: str, engine: str) -> list[str]:
    """What adds one index to a table."""
    index = next(each for each in Base.metadata.tables[table].indexes if each.name == name)
    return [str(CreateIndex(index).compile(dialect=_dialect(engine)))]


def _script(engine: str, insert_once: str) -> str:
    texts = []
    for table in Base.metadata.sorted_tables:
        statements = table_statements(table.name, engine)
        texts.append("\n" + "".join(f"{statement};\n" for statement in statements))
    texts.append(
        f"\n{insert_once} INTO settings (name, value) "
        f"VALUES ('schema_version', '{SCHEMA_VERSION}');\n"
    )
    return "".join(texts)


def _sqlite_table(table: Table) -> list[str]:
    dialect = _dialect("sqlite")
    return [_tidy(_create(table, "sqlite"))] + [
        str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect))
        for index in _indexes(table)
    ]


def _mysql_table(table: Table) -> list[str]:
    """The indexes go inside CREATE TABLE: CREATE INDEX has no IF NOT EXISTS on MySQL."""
    keys = [
        f"\t{'UNIQUE ' if index.unique else ''}KEY {index.name} "
        f"({', '.join(column.name for column in index.columns)})"
        for index in _indexes(table)
    ]
    body, end = _create(table, "mysql").rsplit("\n)", 1)
    inside = _tidy(",\n".join([body.rstrip(), *keys]))
    return [f"{inside}\n) {end}"]


def _create(table: Table, engine: str) -> str:
    return str(CreateTable(table, if_not_exists=True).compile(dialect=_dialect(engine))).strip()


def _dialect(engine: str) -> Dialect:
    return sqlite.dialect() if engine == "sqlite" else mysql.dialect()


def _indexes(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.replace("\t", "    ").splitlines() if line)
