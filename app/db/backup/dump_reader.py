"""Reading a dump: checked line by line before anything of it reaches a statement."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from app.db.backup.dump import FORMAT
from app.db.backup.layout import TABLES
from app.errors import TaskManagerError
from app.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_VALUES = 900
"""How many values one statement restores: old SQLite takes 999."""

MAX_BYTES = 256 * 1024

LARGEST_ID = 2**63

NO_BACKUP = "the file is no backup of TaskManager"


class BadBackup(TaskManagerError):
    """A file cannot be restored. The message says why and what to do."""


class Rows:
    """Some rows of one table."""

    def __init__(self, table: str, columns: list[str], values: list[list[Any]]) -> None:
        self.table = table
        self.columns = columns
        self.values = values


class DumpReader:
    """``schema_version`` is that of the dumped tables, ``next_ids`` are the ids that they give
    next; earlier versions did not write those. Raises BadBackup.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._counts: dict[str, int] = {}
        header = self._next()
        if not isinstance(header, dict) or "taskmanager_backup" not in header:
            raise BadBackup(NO_BACKUP)
        self.schema_version = int(header["schema_version"])
        if header["taskmanager_backup"] != FORMAT or self.schema_version > SCHEMA_VERSION:
            raise BadBackup(
                f"the backup was made by a newer TaskManager ({header['version']}): upgrade this "
                "one first"
            )
        self.next_ids = _next_ids(header.get("next_ids", {}))

    def __iter__(self) -> Iterator[Rows]:
        """The rows, as many at a time as fit a statement."""
        table, columns = "", [""]
        values: list[list[Any]] = []
        size = 0
        while True:
            line = self._next()
            is_row = isinstance(line, list)
            if values and (
                not is_row or size > MAX_BYTES or (len(values) + 1) * len(columns) > MAX_VALUES
            ):
                yield Rows(table, columns, values)
                values, size = [], 0
            if is_row:
                self._check_row(table, columns, line)
                values.append(line)
                size += self._size
                self._counts[table] += 1
            elif "end" in line:
                self._check_end(line["end"])
                return
            else:
                table, columns = self._heading(line)

    def _next(self) -> Any:
        line = self._file.readline()
        self._size = len(line)
        if not line.endswith(b"\n"):
            if not self._counts and not line.startswith(b'{"taskmanager_backup"'):
                raise BadBackup(NO_BACKUP)
            raise BadBackup("the backup is not whole, its end is missing: copy the file again")
        try:
            return json.loads(line)
        except ValueError:
            raise BadBackup(f"{NO_BACKUP}, or it was changed: a line is not JSON") from None

    def _heading(self, line: Any) -> tuple[str, list[str]]:
        table, columns = line.get("table"), line.get("columns")
        if table not in TABLES or not set(columns) <= TABLES[table].columns:
            raise BadBackup(f"the backup holds a table or column that is not known ({table})")
        self._counts.setdefault(table, 0)
        return table, columns

    @staticmethod
    def _check_row(table: str, columns: list[str], line: list[Any]) -> None:
        if not table or len(line) != len(columns):
            raise BadBackup("the backup was changed: a row does not fit its table")

    def _check_end(self, counts: dict[str, int]) -> None:
        if {name: count for name, count in counts.items() if count} != self._counts:
            raise BadBackup("the backup was changed: it does not have as many rows as it had")


def _next_ids(found: Any) -> dict[str, int]:
    is_right = isinstance(found, dict) and all(
        name in TABLES and type(number) is int and 0 < number < LARGEST_ID
        for name, number in found.items()
    )
    if not is_right:
        raise BadBackup("the backup was changed: its next ids are not those of tables")
    return dict(found)
