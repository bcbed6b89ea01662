"""Making the tables, and the SQL files that make them, from :mod:`app.db.tables`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Dialect, Index, Table
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from app.db.prefix import with_prefix
from app.db.tables import Base
from app.version import SCHEMA_VERSION

HEADER = "-- TaskManager's tables{engine}. Made from app/db/tables.py: change that, not this.\n"


GUARD = """
-- Stops at a table of another program that has one of these names, before anything is made. Then
-- set TABLE_PREFIX in config.py and let deploy.py or `flask init-db` make the tables.
SET @others = (
    SELECT COUNT(*) FROM information_schema.tables AS t
    WHERE t.table_schema = DATABASE() AND t.table_name IN ({names}) AND NOT EXISTS (
        SELECT 1 FROM information_schema.columns AS c
        WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name
        AND CONCAT(c.table_name, '.', c.column_name, ' ', c.column_key) IN ({columns})
    )
);
SET @check = IF(@others, 'SELECT 1 FROM `another program has tables of these names`', 'DO 0');
PREPARE check_names FROM @check;
EXECUTE check_names;
DEALLOCATE PREPARE check_names;
"""
"""MySQL has no IF outside of procedures, so a name that does not exist carries the message."""


def mysql_script(prefix: str = "") -> str:
    """``schema.sql``: imports into a MySQL or MariaDB database, again and again."""
    header = HEADER.format(engine=" for MySQL 5.7+ and MariaDB 10.2+")
    script = _script("mysql", "INSERT IGNORE")
    # Some hosts have a session that commits nothing by itself.
    return header + _guard(prefix) + with_prefix(f"{script}COMMIT;\n", prefix)


def _guard(prefix: str) -> str:
    """A column that each table has with its kind of key, and that no other program's is likely
    to have.
    """
    known = {
        "api_keys": "type_patterns_json ",
        "audit_log": "detail_json ",
        "error_groups": "sample_id ",
        "idempotency_keys": "api_key_id PRI",
        "lanes": "concurrency_key PRI",
        "rate_claims": "change_id PRI",
        "schedule_runs": "due_at PRI",
        "schedules": "every_seconds ",
        "settings": "name PRI",
        "task_activity": "step_seconds PRI",
        "task_counts": "error_group PRI",
        "task_errors": "error_group PRI",
        "task_history": "task_id MUL",
        "task_tags": "tag PRI",
        "task_types": "param_schema_json ",
        "tasks": "urgency ",
        "used_dedupe_keys": "dedupe_key PRI",
        "worker_activity": "step_seconds PRI",
        "workers": "first_seen_at ",
    }
    names = ", ".join(f"'{prefix}{name}'" for name in known)
    columns = ", ".join(f"'{prefix}{name}.{column}'" for name, column in known.items())
    return GUARD.format(names=names, columns=columns)


def sqlite_script() -> str:
    """``app/db/sqlite.sql``: run when a SQLite file has no tables yet."""
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
    return [_tidy(_create(table, "sqlite").replace("\n)\n WITHOUT", "\n) WITHOUT"))] + [
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
