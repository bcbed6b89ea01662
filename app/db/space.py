"""How much disk space the tables take, and giving back what deleted rows leave unused."""

from __future__ import annotations

from app.db.prefix import TABLES
from app.errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db import Database
    from app.db.connection import Connection

OF_SQLITE = (
    "VACUUM writes the file again. It takes a second or two for each 100 MB, needs up to twice the "
    "file's size of free disk space, and calls that change tasks wait for it."
)
OF_MYSQL = (
    "OPTIMIZE TABLE writes each table again, one after the other. It takes some seconds for each "
    "100 MB and needs as much free disk space as the largest table. Calls go on meanwhile, and "
    "wait for a moment at its beginning and its end."
)
OF_CLUSTER = (
    "OPTIMIZE TABLE writes each table again, one after the other. It takes some seconds for each "
    "100 MB and needs as much free disk space as the largest table. On this cluster all nodes wait "
    "for each table, so every call does."
)


class Space:
    """The space of one database. ``tables`` are what is vacuumed, one after the other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_sqlite = database.url.engine == "sqlite"
        self.tables = ("queue",) if self._is_sqlite else TABLES

    @property
    def warning(self) -> str:
        """What a vacuum needs, and which calls wait for it."""
        if self._is_sqlite:
            return OF_SQLITE
        is_cluster = self._database.run(lambda connection: connection.is_cluster)
        return OF_CLUSTER if is_cluster else OF_MYSQL

    def sizes(self) -> dict[str, int]:
        """Bytes by table, or of the whole file."""
        return self._database.run(_size_of_file if self._is_sqlite else _sizes_of_tables)

    def vacuum(self, table: str) -> None:
        """Raises a DatabaseError."""
        if not self._is_sqlite:
            self._database.run(lambda connection: _optimize(connection, table))
            return
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            self._query(statement)

    def _query(self, statement: str) -> None:
        self._database.run(lambda connection: connection.query(statement, {}))


def _size_of_file(connection: Connection) -> dict[str, int]:
    pages, bytes_each = (
        next(iter(connection.query(f"PRAGMA {name}", {})[0].values()))
        for name in ("page_count", "page_size")
    )
    return {"queue": pages * bytes_each}


def _sizes_of_tables(connection: Connection) -> dict[str, int]:
    names = {connection.prefix + table: table for table in TABLES}
    rows = connection.query(
        "SELECT table_name AS name, data_length + index_length + data_free AS bytes "
        "FROM information_schema.tables WHERE table_schema = DATABASE()",
        {},
    )
    found = {row["name"]: int(row["bytes"] or 0) for row in rows}
    return {table: found[name] for name, table in names.items() if name in found}


def _optimize(connection: Connection, table: str) -> None:
    for row in connection.query(f"OPTIMIZE TABLE {table}", {}):
        if str(row["Msg_type"]).lower() == "error":
            raise DatabaseError(f"OPTIMIZE TABLE {table}: {row['Msg_text']}")
