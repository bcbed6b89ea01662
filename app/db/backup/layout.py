"""What a backup knows of the tables: their primary keys and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.tables import Base

if TYPE_CHECKING:
    from sqlalchemy import Table


class TableLayout:
    """``primary_key`` and ``columns`` are names, in the table's order. ``gives_ids`` where the
    database numbers the rows.
    """

    def __init__(
        self, primary_key: tuple[str, ...], columns: frozenset[str], gives_ids: bool
    ) -> None:
        self.primary_key = primary_key
        self.columns = columns
        self.gives_ids = gives_ids


def _layout(table: Table) -> TableLayout:
    return TableLayout(
        tuple(column.name for column in table.primary_key.columns),
        frozenset(column.name for column in table.columns),
        table.autoincrement_column is not None,
    )


TABLES = {name: _layout(table) for name, table in sorted(Base.metadata.tables.items())}
