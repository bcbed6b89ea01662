"""A dump: every row of every table as one line of JSON, the same from either engine.

The first line is the header. A line that is an object names the table and the columns of the lines
that follow, which are arrays; the last line counts the rows, so that a file that was cut is known.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.backup.snapshot import Snapshot

FORMAT = 1

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dump(
    snapshot: Snapshot, write: Callable[[bytes], Any], advance: Callable[[int], None]
) -> dict[str, int]:
    """Write all that a snapshot holds; how many rows of each table that was. ``advance`` is told of
    rows. Raises a DatabaseError, or what ``write`` raises.
    """
    counts: dict[str, int] = {}
    write(_line(header(snapshot)))
    for table in snapshot.tables():
        counts[table] = 0
        columns: list[str] = []
        for rows in snapshot.pages(table):
            if not columns:
                columns = list(rows[0])
                write(_line({"table": table, "columns": columns}))
            write(b"".join(_line([row[column] for column in columns]) for row in rows))
            counts[table] += len(rows)
            advance(len(rows))
    write(_line({"end": counts}))
    return counts


def header(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "taskmanager_backup": FORMAT,
        "version": VERSION,
        "schema_version": snapshot.schema_version(),
        "next_ids": snapshot.next_ids(),
    }


def _line(value: Any) -> bytes:
    # Half of a surrogate pair has no UTF-8; it becomes a question mark.
    return f"{_encoder.encode(value)}\n".encode("utf-8", "replace")
