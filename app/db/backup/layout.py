"""What a backup knows of the tables: their primary keys and columns."""

from __future__ import annotations

from app.db.tables import Base


class TableLayout:
    """``primary_key`` and ``columns`` are names, in the table's order."""

    def __init__(self, primary_key: tuple[str, ...], columns: frozenset[str]) -> None:
        self.primary_key = primary_key
        self.columns = columns


TABLES = {
    name: TableLayout(
        tuple(column.name for column in table.primary_key.columns),
        frozenset(column.name for column in table.columns),
    )
    for name, table in sorted(Base.metadata.tables.items())
}
