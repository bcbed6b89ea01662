"""What MySQL's and MariaDB's error numbers mean for a call: try again, wait, or a defect of ours.

Every error that does not prove a defect is the database's: the call answers 503, and the log has
its number and text. Names of the numbers: the servers' errmsg files.
"""

from __future__ import annotations

from app.errors import (
    ConnectionLost,
    DatabaseError,
    DatabaseUnavailable,
    Duplicate,
    StatementTooLong,
    TryAgain,
)

# A rival was first, a lock was not free in time, or the statement was ended by hand or by the
# host's limit of time: nothing was done.
TRY_AGAIN = {1020, 1205, 1213, 1317, 1969, 3024, 3101, 3572}
# 4031: the server hung up on an idle connection and says so at the next call.
LOST = {1053, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2014, 2027, 2055, 4031, 0}
DUPLICATE = {1062, 1586}
TOO_LARGE = {1153}

# Statements that no database can take as they are, and values that should have been refused
# before: 1048 NULL where none may be, 1264, 1366, 1406 a value that does not fit its column.
DEFECTS = {
    *(1048, 1052, 1058, 1063, 1064, 1065, 1066, 1110, 1111, 1136, 1210, 1222, 1235, 1241, 1242),
    *(1247, 1264, 1292, 1305, 1366, 1406, 1411, 1525, 1582, 1690),
}

KINDS: tuple[tuple[set[int], type[DatabaseError]], ...] = (
    (TRY_AGAIN, TryAgain),
    (DUPLICATE, Duplicate),
    (TOO_LARGE, StatementTooLong),
    (LOST, ConnectionLost),
    (DEFECTS, DatabaseError),
)

SENTENCES = {
    1021: "the database server's disk is full: free some space, or tell your host",
    1030: "the database's storage refuses the work, most often because a disk or a quota is full",
    1036: "a table is read-only, as hosts make it when an account is over its quota",
    1037: "the database server is out of memory",
    1038: "the database server is out of memory for sorting",
    1040: "the database has no free connection",
    1041: "the database server is out of memory",
    1044: "the database user may not use this database",
    1045: "the database refuses the user name or password",
    1047: "the database node is not ready",
    1049: "the database does not exist",
    1054: "a table lacks a column: it is of another version, or another program's; "
    "run the upgrade (upgrade-db), or set TABLE_PREFIX",
    1104: "the host limits how many rows a query may look at (max_join_size): "
    "ask your host to raise it",
    1114: "a table is full: a disk or a quota has no room left",
    1129: "the database server shut this web server out after many broken connections: "
    "ask your host to run FLUSH HOSTS",
    1130: "the database server takes no connections from this web server",
    1135: "the database server cannot start another thread: it is out of memory or of processes",
    1142: "the database user may not do this, as hosts arrange it when an account is over its "
    "quota: free some space, or give the user all privileges in the control panel",
    1143: "the database user may not use a column: give the user all privileges",
    1146: "tables are missing; import schema.sql, or run init-db or upgrade-db",
    1176: "a table lacks an index: it is of another version, or another program's; "
    "run the upgrade (upgrade-db), or set TABLE_PREFIX",
    1180: "the database could not commit",
    1194: "a table is damaged: tell your host",
    1195: "a table is damaged: tell your host",
    1203: "the database user has too many connections",
    1206: "the database has no room for more locks (innodb_buffer_pool_size)",
    1223: "tables are locked by a backup",
    1226: "the database user has used up its allowance",
    1227: "the database user lacks a privilege",
    1267: "a column compares texts in another way than ours: the tables were changed by hand",
    1290: "the database is read-only",
    1364: "a table has a column that this version does not fill: it was changed by hand",
    1637: "the database has too many transactions under way",
    1665: "the database's binary log (binlog_format=STATEMENT) takes no writes from this session: "
    "ask your host for MIXED or ROW",
    1698: "the database refuses the user name or password (the user may log in by socket only)",
    1785: "the database's replication settings refuse the transaction",
    1792: "the database is read-only",
    1820: "the database user's password must be set again: use the control panel",
    1836: "the database is read-only",
    1862: "the database user's password has expired: set a new one in the control panel",
    1932: "a table is damaged: tell your host",
    2002: "the database cannot be reached",
    2003: "the database cannot be reached",
    2005: "the database's host name is unknown",
    2026: "the encrypted connection to the database failed",
    3032: "the database is closed for maintenance",
    3118: "the database user is locked",
    4151: "the database user is locked",
}


def classify(error: Exception) -> DatabaseError:
    """The driver's error in the program's own words, by its number."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else -1
    text = str(error)
    for numbers, kind in KINDS:
        if number in numbers:
            return kind(text)
    if number < 0 and type(error).__name__ == "ProgrammingError":
        return DatabaseError(text)
    if "Packet sequence" in text:
        return ConnectionLost(text)
    sentence = SENTENCES.get(number, "the database refuses a statement")
    return DatabaseUnavailable(f"{sentence} {text}")
