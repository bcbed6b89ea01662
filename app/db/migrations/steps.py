"""What a migration may do: add a table, a column, an index."""

from __future__ import annotations

from app.db import ddl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection

# Whether something is there already, by engine and kind.
LOOK = {
    "mysql": {
        "table": "SELECT 1 AS found FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_name = :table",
        "column": "SELECT 1 AS found FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = :table AND column_name = :name",
        "index": "SELECT 1 AS found FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() AND table_name = :table AND index_name = :name",
    },
    "sqlite": {
        "table": "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = :table",
        "column": "SELECT 1 AS found FROM pragma_table_info(:table) WHERE name = :name",
        "index": "SELECT 1 AS found FROM pragma_index_list(:table) WHERE name = :name",
    },
}


class Step:
    """One addition. ``engine`` is ``mysql`` or ``sqlite``, as in app.db.url.DatabaseUrl."""

    kind: str

    def __init__(self, table: str, name: str = "") -> None:
        self.table = table
        self.name = name

    def is_done(self, connection: Connection, engine: str) -> bool:
        """Whether the database has it already."""
        values = {"table": connection.prefix + self.table, "name": self.name}
        return bool(connection.query(LOOK[engine][self.kind], values))

    def statements(self, engine: str) -> list[str]:
        """The SQL that adds it, from :mod:`app.db.tables`."""
        raise NotImplementedError


class AddTable(Step):
    """The table as the models have it today, its indexes with it. Columns that later versions
    add are then there before their turn, and their steps find themselves done.
    """

    kind = "table"

    def __init__(self, table: str) -> None:
        super().__init__(table)

    def statements(self, engine: str) -> list[str]:
        return ddl.table_statements(self.table, engine)


class AddColumn(Step):
    """A column that may be NULL or has a default in the database."""

    kind = "column"

    def statements(self, engine: str) -> list[str]:
        return ddl.column_statements(self.table, [self.name], engine)


class AddColumns(AddColumn):
    """Several columns of one table at once: where adding a column copies the table, it is copied
    once. All of them are added or none, so the first one tells.
    """

    def __init__(self, table: str, *names: str) -> None:
        super().__init__(table, names[0])
        self.names = names

    def statements(self, engine: str) -> list[str]:
        return ddl.column_statements(self.table, self.names, engine)


class AddIndex(Step):
    """An index on a table that is there, by the index's name."""

    kind = "index"

    def statements(self, engine: str) -> list[str]:
        return ddl.index_statements(self.table, self.name, engine)
