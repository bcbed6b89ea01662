"""Which id each table gives next. An id is never given twice: a worker may still hold the task that
had it, and would settle another one.

Rows do not tell, for the newest may have been deleted. So backups hold these numbers, and a
restore keeps the larger one of the backup's and of the database that it restores into.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.db.backup.layout import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.db.connection import Connection, Statement

    NextIds = dict[str, int]

_IN_DEFINITION = re.compile(r"\) ENGINE=.*?\bAUTO_INCREMENT=(\d+)", re.DOTALL)


def read_next_ids(connection: Connection, engine: str, tables: Iterable[str] = TABLES) -> NextIds:
    """Of those of the tables that number their rows, and ever had one."""
    numbered = [name for name in tables if TABLES[name].gives_ids]
    if engine == "sqlite":
        rows = connection.query("SELECT name, seq FROM sqlite_sequence", {})
        given = {row["name"]: int(row["seq"]) for row in rows}
        return {name: given[name] + 1 for name in numbered if given.get(name)}
    found = {}
    for name in numbered:
        # information_schema may be a day behind.
        (row,) = connection.query(f"SHOW CREATE TABLE {name}", {})
        number = _IN_DEFINITION.search(row["Create Table"])
        if number:
            found[name] = int(number[1])
    return found


def raise_next_ids(engine: str, current: NextIds, wanted: Mapping[str, int]) -> list[Statement]:
    """Let tables go on with the ``wanted`` numbers where these are larger than the current ones."""
    return [
        statement
        for name, number in wanted.items()
        if TABLES[name].gives_ids and number > current.get(name, 1)
        for statement in set_next_id(engine, name, number)
    ]


def set_next_id(engine: str, table: str, number: int) -> list[Statement]:
    if engine != "sqlite":
        return [(f"ALTER TABLE {table} AUTO_INCREMENT = {int(number)}", {})]
    values = {"name": table, "last": number - 1}
    return [
        ("DELETE FROM sqlite_sequence WHERE name = :name", values),
        ("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)", values),
    ]
