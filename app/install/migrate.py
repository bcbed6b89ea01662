"""Bringing a database to the tables of this version: making them, or upgrading older ones."""

from __future__ import annotations

import contextlib

from app.db import Database
from app.db.foreign import refuse_foreign_tables
from app.db.migrations import MIGRATIONS
from app.db.migrations.fill_tags import fill_tags
from app.db.migrations.steps import AddTable
from app.errors import DatabaseBusy, DatabaseError, TryAgain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.db.connection import Connection
    from app.db.migrations.steps import Step
    from app.db.url import DatabaseUrl

WAIT_SECONDS = 15
"""For another upgrade to end, and for calls that use a table which is to be changed. Below the
30 seconds that many hosts give a request."""

LOCK = "CONCAT('taskmanager ', LEFT(SHA2(DATABASE(), 256), 32))"
"""Names of locks are shared by all databases of a MySQL server, and hold 64 characters."""

CHANGE_SECONDS = 600.0
"""How long one change of a table may take; a large table is copied on old servers."""

MAX_TRIES = 3
"""How often an upgrade begins again that was kept waiting for a table in use."""


class DatabaseIsNewer(DatabaseError):
    """The tables were made by a later version than this one."""


def migrate(
    database: DatabaseUrl, migrations: Mapping[int, Sequence[Step]] = MIGRATIONS
) -> tuple[int, int]:
    """Make or upgrade the tables; the versions before and after, 0 before there were tables.

    May be run at any time, by several at once, and again after it was killed: what is done is
    found done. Raises DatabaseIsNewer, DatabaseBusy while another upgrade takes long, or
    another app.errors.DatabaseError.
    """
    access = Database(database, CHANGE_SECONDS)
    tries = 0

    def work(connection: Connection) -> tuple[int, int]:
        nonlocal tries
        tries += 1
        try:
            return _upgrade(connection, database.engine, migrations)
        except TryAgain as error:
            if tries < MAX_TRIES:
                raise
            raise DatabaseBusy(
                f"the tables are in use ({error}); run this again when fewer calls come"
            ) from error

    try:
        return access.run(work)
    finally:
        access.close()


def _upgrade(
    connection: Connection, engine: str, migrations: Mapping[int, Sequence[Step]]
) -> tuple[int, int]:
    known = max(migrations)
    with _alone(connection, engine):
        refuse_foreign_tables(connection, engine)
        found = _version(connection, engine)
        if found > known:
            raise DatabaseIsNewer(
                f"the tables are of version {found}, and this TaskManager knows versions up to "
                f"{known} only: use the one that made them, or a later one"
            )
        for version in range(found + 1, known + 1):
            for step in migrations[version]:
                _do(connection, engine, step)
            _set_version(connection, version)
        fill_tags(connection)
    return found, known


@contextlib.contextmanager
def _alone(connection: Connection, engine: str) -> Iterator[None]:
    """One upgrade at a time. On SQLite the transaction around each step is enough for that."""
    if engine == "sqlite":
        yield
        return
    connection.query(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}", {})
    if not _take_lock(connection):
        raise DatabaseBusy(
            "another upgrade of this database is under way; run this again when it is done"
        )
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError):
            connection.query(f"SELECT RELEASE_LOCK({LOCK})", {})


def _take_lock(connection: Connection) -> bool:
    try:
        rows = connection.query(f"SELECT GET_LOCK({LOCK}, {WAIT_SECONDS}) AS got", {})
    except DatabaseError as error:
        # Nodes of a Galera cluster know no such lock; the steps bear a rival without it.
        if type(error) is DatabaseError:
            return True
        raise
    return bool(rows[0]["got"])


def _do(connection: Connection, engine: str, step: Step) -> None:
    """One transaction on SQLite. MySQL commits every change of a table by itself."""
    try:
        connection.begin([])
        if not step.is_done(connection, engine):
            connection.send([(statement, {}) for statement in step.statements(engine)])
        connection.commit([])
    except DatabaseError:
        connection.rollback()
        if not step.is_done(connection, engine):
            raise
        # Another upgrade got there first.


def _version(connection: Connection, engine: str) -> int:
    """0 as long as nothing says that the tables are all there."""
    if not AddTable("settings").is_done(connection, engine):
        return 0
    look = "SELECT value FROM settings WHERE name = 'schema_version'"
    rows = connection.query(look, {})
    return int(rows[0]["value"]) if rows else 0


def _set_version(connection: Connection, version: int) -> None:
    values = {"version": str(version)}
    connection.query(
        "REPLACE INTO settings (name, value) VALUES ('schema_version', :version)", values
    )
