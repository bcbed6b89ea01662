"""The SQLite file: it appears at first use, whole, and for its owner's eyes alone."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.db.sqlite import classify
from app.errors import DatabaseError, DatabaseUnavailable, Duplicate, StatementTooLong, TryAgain
from app.queue import task_types
from app.site import Site
from tests.support.queue import register, site_at
from tests.support.server import PROJECT

if TYPE_CHECKING:
    from app.db.connection import Statement

BOTH = 2
ROUNDS = 20


def site_of(path: Path) -> Site:
    return site_at(f"sqlite:///{path}")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_appears_with_its_folder_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "queue.sqlite3"
    before = os.umask(0o022)
    try:
        site = site_of(path)
        register(site, "first")
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    # What is written last is in these two, until the last connection closes.
    names = ("queue.sqlite3", "queue.sqlite3-wal", "queue.sqlite3-shm")
    assert {each.name: mode(each) for each in path.parent.iterdir()} == dict.fromkeys(names, 0o600)
    site.db.close()


def test_nothing_appears_before_the_first_use(tmp_path: Path) -> None:
    site_of(tmp_path / "queue.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_gets_its_tables(tmp_path: Path) -> None:
    """As panels make it, or a process that was killed between the file and its tables."""
    path = tmp_path / "queue.sqlite3"
    path.touch()
    site = site_of(path)
    register(site, "first")
    assert mode(path) == 0o600
    site.db.close()


def test_the_settings_that_make_it_safe(tmp_path: Path) -> None:
    site = site_of(tmp_path / "queue.sqlite3")
    pragmas: list[Statement] = [("PRAGMA journal_mode", {}), ("PRAGMA synchronous", {})]
    mode_of, synchronous = site.db.run(lambda connection: connection.send(pragmas))
    assert mode_of.rows == [{"journal_mode": "wal"}]
    assert synchronous.rows == [{"synchronous": 2}]
    site.db.close()


PROGRAM = """
import sys
from app.config import from_values
from app.queue.task_types import register
from app.site import Site
site = Site(from_values({"DATABASE_URL": "sqlite:///" + sys.argv[1]}))
print("ready", flush=True)
sys.stdin.readline()
register(site, "of-" + sys.argv[2], "1", {}, {})
"""


def test_two_processes_make_the_same_file_at_once(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        path = tmp_path / f"{number}" / "queue.sqlite3"
        children = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(path), str(child)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for child in range(BOTH)
        ]
        for child in children:
            assert child.stdout
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin
            child.stdin.write("\n")
            child.stdin.flush()
        ends = [child.communicate(timeout=60) for child in children]
        assert [child.returncode for child in children] == [0] * BOTH, ends
        site = site_of(path)
        assert [each["name"] for each in task_types.list_all(site)] == ["of-0", "of-1"], ends
        assert mode(path) == 0o600
        site.db.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatabaseUnavailable, match="cannot be opened"):
        register(site_of(tmp_path / "file" / "queue.sqlite3"), "x")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    path.write_text(
        "this is a text, and a long one, because SQLite looks at the first bytes\n" * 50
    )
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        register(site_of(path), "x")
    assert path.read_text().startswith("this is a text")


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE settings (colour TEXT); CREATE TABLE tasks (title TEXT)")
    other.close()
    with pytest.raises(DatabaseUnavailable, match="not a queue of this version"):
        register(site_of(path), "x")


def test_a_file_that_is_locked_for_a_moment(tmp_path: Path) -> None:
    """A writer waits for another one instead of failing."""
    path = tmp_path / "queue.sqlite3"
    site = site_of(path)
    register(site, "first")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "locked\n"
    register(site, "second")
    assert holder.communicate(timeout=60) is not None
    assert len(task_types.list_all(site)) == BOTH
    site.db.close()


def test_another_connection_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """POSIX ends all locks of a process on a file when the process closes the file once. Then
    another process believes that nobody else is there, and its end takes the journal away.
    """
    path = tmp_path / "queue.sqlite3"
    journal = tmp_path / "queue.sqlite3-wal"
    site = site_of(path)
    register(site, "first")
    site.db.run(lambda _: site.db.run(lambda second: second.query("SELECT 1", {})))
    assert journal.exists()
    subprocess.run([sys.executable, "-c", PASSER_BY, str(path)], check=True)
    assert journal.exists()
    register(site, "second")
    site.db.close()


PASSER_BY = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT COUNT(*) FROM tasks").fetchall()
connection.close()
"""

HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(1)
connection.execute("COMMIT")
"""


def test_a_locked_file_is_told_apart(tmp_path: Path) -> None:
    """As an error, it means: the same may succeed later."""
    from app.db.sqlite import classify

    path = tmp_path / "queue.sqlite3"
    first, second = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(BOTH))
    first.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        second.execute("BEGIN IMMEDIATE")
    assert type(classify(caught.value)) is TryAgain
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError("database is locked"), TryAgain),
        (sqlite3.OperationalError("database table is locked"), TryAgain),
        (sqlite3.OperationalError("locking protocol"), TryAgain),
        (sqlite3.OperationalError("interrupted"), TryAgain),
        (sqlite3.OperationalError("table tasks has no column named tags"), DatabaseUnavailable),
        (sqlite3.OperationalError("no such table: tasks"), DatabaseUnavailable),
        (sqlite3.OperationalError("no such column: lease"), DatabaseUnavailable),
        (sqlite3.OperationalError("database or disk is full"), DatabaseUnavailable),
        (sqlite3.OperationalError("disk I/O error"), DatabaseUnavailable),
        (sqlite3.OperationalError("unable to open database file"), DatabaseUnavailable),
        (sqlite3.OperationalError("attempt to write a readonly database"), DatabaseUnavailable),
        (sqlite3.OperationalError("no such function: julianday"), DatabaseUnavailable),
        (sqlite3.OperationalError("what nobody has heard of"), DatabaseUnavailable),
        (sqlite3.DatabaseError("database disk image is malformed"), DatabaseUnavailable),
        (sqlite3.DatabaseError("file is not a database"), DatabaseUnavailable),
        (sqlite3.DataError("string or blob too big"), StatementTooLong),
        (sqlite3.IntegrityError("UNIQUE constraint failed: tasks.dedupe_key"), Duplicate),
        (sqlite3.IntegrityError("NOT NULL constraint failed: tasks.status"), DatabaseError),
        (sqlite3.OperationalError('near "SELEC": syntax error'), DatabaseError),
        (sqlite3.ProgrammingError("Incorrect number of bindings supplied"), DatabaseError),
        (sqlite3.InterfaceError("Error binding parameter 0"), DatabaseError),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, Exception) else value.__name__,
)
def test_what_an_error_means(error: sqlite3.Error, kind: type[DatabaseError]) -> None:
    assert type(classify(error)) is kind
