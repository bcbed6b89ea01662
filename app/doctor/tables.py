"""The tables in the database against those that this version is made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db import ddl
from app.db.prefix import with_prefix
from app.db.tables import Base
from app.doctor.finding import Finding, note, ok, problem
from app.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Index, Table

    from app.db.connection import Connection
    from app.site import Site

UPGRADE = "run upgrade-db, or press “Reinstall” in deploy.py"

LOOK = {
    "mysql": (
        "SELECT table_name AS place, column_name AS name FROM information_schema.columns "
        "WHERE table_schema = DATABASE()",
        "SELECT table_name AS place, index_name AS name, column_name AS part "
        "FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "ORDER BY table_name, index_name, seq_in_index",
    ),
    "sqlite": (
        "SELECT m.name AS place, c.name AS name FROM sqlite_master AS m, "
        "pragma_table_info(m.name) AS c WHERE m.type = 'table'",
        "SELECT m.name AS place, i.name AS name, p.name AS part FROM sqlite_master AS m, "
        "pragma_index_list(m.name) AS i, pragma_index_info(i.name) AS p WHERE m.type = 'table' "
        "ORDER BY m.name, i.name, p.seqno",
    ),
}
"""Find the columns, and the columns of the indexes in their order."""

ENGINES = (
    "SELECT table_name AS place, engine AS engine, table_collation AS collation "
    "FROM information_schema.tables WHERE table_schema = DATABASE()"
)


def check(site: Site) -> list[Finding]:
    """Raises a DatabaseError."""
    engine = site.settings.database.engine
    return site.db.run(lambda connection: Comparison(connection, engine).findings())


class Comparison:
    """Of the tables in one database with those in app/db/tables.py."""

    def __init__(self, connection: Connection, engine: str) -> None:
        self._connection = connection
        self._engine = engine
        self._prefix = connection.prefix
        self._columns: dict[str, set[str]] = {}
        self._indexes: dict[str, dict[str, list[str]]] = {}
        columns, parts = (connection.query(sql, {}) for sql in LOOK[engine])
        for row in columns:
            self._columns.setdefault(row["place"], set()).add(row["name"])
        for row in parts:
            indexes = self._indexes.setdefault(row["place"], {})
            indexes.setdefault(row["name"], []).append(row["part"])

    def findings(self) -> list[Finding]:
        tables = Base.metadata.sorted_tables
        missing = [each.name for each in tables if self._name(each) not in self._columns]
        if missing:
            told = ", ".join(self._prefix + name for name in missing)
            return [problem(f"the database lacks the tables {told}: {UPGRADE}")]
        found = self._version()
        for table in tables:
            found += self._compare(table)
        if self._engine == "mysql":
            found += self._storage()
        if not found:
            count = len(tables)
            return [ok(f"{count} tables of version {SCHEMA_VERSION} with all columns and indexes")]
        return found

    def _name(self, table: Table) -> str:
        return f"{self._prefix}{table.name}"

    def _version(self) -> list[Finding]:
        rows = self._connection.query("SELECT name, value FROM settings", {})
        settings = {row["name"]: row["value"] for row in rows}
        found = []
        version = int(settings.get("schema_version", 0))
        if version < SCHEMA_VERSION:
            found.append(
                problem(f"the tables are of version {version}, not {SCHEMA_VERSION}: {UPGRADE}")
            )
        if version > SCHEMA_VERSION:
            found.append(
                note(
                    f"the tables are of version {version}, made by a newer TaskManager; this one, "
                    f"of version {SCHEMA_VERSION}, works with them"
                )
            )
        if "restore" in settings:
            found.append(problem("a restore was interrupted: run it again"))
        return found

    def _compare(self, table: Table) -> list[Finding]:
        name = self._name(table)
        lacking = sorted({column.name for column in table.columns} - self._columns[name])
        if lacking:
            return [problem(f"the table {name} lacks {', '.join(lacking)}: {UPGRADE}")]
        return [
            problem(
                f"the index {index.name} of {name} {wrong}, so calls are slow: run the SQL {sql}"
            )
            for index in table.indexes
            for wrong, sql in self._mend(table, index)
        ]

    def _mend(self, table: Table, index: Index) -> Iterator[tuple[str, str]]:
        """What is wrong with an index, and the SQL that mends it; nothing where it is right."""
        name, index_name = self._name(table), str(index.name)
        found = self._indexes.get(name, {}).get(index_name)
        (create,) = ddl.index_statements(table.name, index_name, self._engine)
        create = with_prefix(" ".join(create.split()), self._prefix)
        drop = f"DROP INDEX {index_name}" + (f" ON {name}" if self._engine == "mysql" else "")
        if found is None:
            yield "is missing", create
        elif found != [column.name for column in index.columns]:
            yield "has other columns", f"{drop}; {create}"

    def _storage(self) -> list[Finding]:
        ours = {self._name(table) for table in Base.metadata.sorted_tables}
        rows = [row for row in self._connection.query(ENGINES, {}) if row["place"] in ours]
        found = []
        for row in rows:
            if row["engine"] != "InnoDB":
                found.append(
                    problem(
                        f"the table {row['place']} is kept by {row['engine']}, which has no "
                        f"transactions: run the SQL ALTER TABLE {row['place']} ENGINE=InnoDB"
                    )
                )
            if row["collation"] != "utf8mb4_bin":
                found.append(
                    problem(
                        f"the table {row['place']} compares texts by {row['collation']}: run the "
                        f"SQL ALTER TABLE {row['place']} CONVERT TO CHARACTER SET utf8mb4 COLLATE "
                        "utf8mb4_bin"
                    )
                )
        return found
