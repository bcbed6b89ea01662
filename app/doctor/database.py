"""The database itself: its version, what its session is like, what the user may do."""

from __future__ import annotations

from app.doctor.finding import note, ok, problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Row
    from app.db.url import DatabaseUrl
    from app.doctor.finding import Finding
    from app.site import Site

FACTS = (
    "SELECT VERSION() AS version, @@max_allowed_packet AS packet, "
    "@@innodb_flush_log_at_trx_commit AS flushes, DATABASE() AS name"
)
SQLITE_FACTS = (
    "SELECT sqlite_version() AS version, "
    "(SELECT journal_mode FROM pragma_journal_mode) AS journal_mode"
)
OVERHEAD_BYTES = 64 * 1024
"""Of a statement beside a task's params."""


def check(site: Site) -> list[Finding]:
    """Raises a DatabaseError when it cannot be reached."""
    if site.settings.database.engine == "sqlite":
        (row,) = site.db.run(lambda connection: connection.query(SQLITE_FACTS, {}))
        return _sqlite(row)
    return site.db.run(lambda connection: _mysql(connection, site), repeatable=False)


def _sqlite(row: Row) -> list[Finding]:
    if row["journal_mode"] != "wal":
        return [
            note(
                f"SQLite {row['version']} keeps the journal {row['journal_mode']}, because the "
                "file system cannot do WAL: readers and writers wait for each other"
            )
        ]
    return [ok(f"SQLite {row['version']}")]


def _mysql(connection: Connection, site: Site) -> list[Finding]:
    from app.install.database import check_version
    from app.install.errors import InstallError

    (row,) = connection.query(FACTS, {})
    try:
        found = [ok(f"{check_version(row['version'])}, database {row['name']}")]
    except InstallError as error:
        return [problem(str(error).rstrip("."))]
    needed = site.settings.max_params_bytes + OVERHEAD_BYTES
    if row["packet"] < max(needed, site.settings.max_result_bytes + OVERHEAD_BYTES):
        found.append(
            problem(
                f"max_allowed_packet is {row['packet']} bytes, less than one task may have: lower "
                "MAX_PARAMS_BYTES and MAX_RESULT_BYTES, or ask your host to raise it"
            )
        )
    if row["flushes"] != 1:
        found.append(
            note(
                "innodb_flush_log_at_trx_commit is not 1: when the server loses power, the last "
                "second of work may be lost"
            )
        )
    if connection.has_snapshots:
        found.append(
            note(
                "the binary log has binlog_format=STATEMENT, which makes claims wait for each "
                "other: ask your host for MIXED or ROW"
            )
        )
    return found + _rights(site.settings.database)


def _rights(url: DatabaseUrl) -> list[Finding]:
    """Tried out on a table that is made for that."""
    from app.db.mysql_session import PATIENT_SECONDS, open_session
    from app.install.database import probe_rights
    from app.install.errors import InstallError

    session = open_session(url, PATIENT_SECONDS)
    try:
        probe_rights(session.raw, url)
    except InstallError as error:
        return [problem(str(error).rstrip("."))]
    finally:
        session.raw.close()
    return [ok("the user has every privilege that the queue and its upgrades need")]
