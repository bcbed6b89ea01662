"""Copies of a SQLite file by the online backup API: a whole copy, while others write."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from app.db.backup.dump_reader import NO_BACKUP, BadBackup
from app.db.backup.next_ids import set_next_id
from app.db.sqlite import classify
from app.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[int, int], None]

MAGIC = b"SQLite format 3\x00"
"""How every SQLite file begins."""

PAGES_AT_ONCE = 1024
SECONDS = 60.0


def back_up(path: str, target: str, progress: Progress) -> None:
    """Copy the file at ``path`` as it is at this moment; ``progress`` is told how many pages are
    left, and of how many. Raises a DatabaseError.
    """
    with _opened(path) as source, _opened(target) as copy:
        copy.execute("PRAGMA journal_mode=OFF")  # a copy that fails is thrown away
        # A copy begins again whenever somebody writes, unless its own connection is reading.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        _copy(source, copy, progress)
        source.execute("ROLLBACK")
        # A backup stays a single file, even while somebody reads it.
        copy.execute("PRAGMA journal_mode=DELETE")


def restore(path: str, target: str, progress: Progress) -> None:
    """Replace the content of the queue in ``target`` by that of a copy. Raises BadBackup for a copy
    that is damaged, or not a queue of this version or an older one; a DatabaseError.
    """
    with _opened(path) as copy, _opened(target) as queue:
        _check(copy)
        given = queue.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        _copy(copy, queue, progress)
        _sign_everybody_out(queue)
        _give_no_id_again(queue, given)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, progress: Progress) -> None:
    source.backup(
        target,
        pages=PAGES_AT_ONCE,
        progress=lambda _, left, total: progress(left, total),
        sleep=0.05,
    )


def _sign_everybody_out(queue: sqlite3.Connection) -> None:
    """Some may have signed out since the copy was made. Older tables have no sessions."""
    tables = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sessions'"
    if queue.execute(tables).fetchone():
        queue.execute("DELETE FROM sessions")


def _give_no_id_again(queue: sqlite3.Connection, given: list[tuple[str, int]]) -> None:
    """Go on behind the ids that were given since the copy was made: a worker may still hold one of
    those tasks, and would settle another one.
    """
    for name, last in given:
        known = queue.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
        if known is None or known[0] < last:
            for statement in set_next_id("sqlite", name, last + 1):
                queue.execute(*statement)


def _check(copy: sqlite3.Connection) -> None:
    try:
        damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        found = copy.execute("SELECT value FROM settings WHERE name = 'schema_version'").fetchone()
    except sqlite3.Error as error:
        raise BadBackup(f"{NO_BACKUP}, or it is damaged: {error}") from None
    if damage != "ok":
        raise BadBackup(f"the backup is damaged ({damage}): copy the file again")
    if found is None:
        raise BadBackup(NO_BACKUP)
    if int(found[0]) > SCHEMA_VERSION:
        raise BadBackup("the backup was made by a newer TaskManager: upgrade this one first")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(path, timeout=SECONDS, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise classify(error) from error
