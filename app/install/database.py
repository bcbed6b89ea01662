"""Trying a database as it was typed: one clear sentence for each thing that may be wrong."""

from __future__ import annotations

import re
import sqlite3
import time

from app.db.url import from_parts
from app.install.errors import InstallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from app.db.url import DatabaseUrl

OLDEST = {"MySQL": (5, 7), "MariaDB": (10, 2)}
CLOCK_TOLERANCE = 60.0
"""Seconds between the database's clock and this machine's before the check mentions it."""

LOOK_SECONDS = 10.0

PROBE = "taskmanager_probe"

# What the tables and their migrations need, each by a real statement on a table of its own.
PROBES = [
    ("CREATE", f"CREATE TABLE IF NOT EXISTS {PROBE} (id INT NOT NULL PRIMARY KEY, value INT)"),
    ("INSERT", f"INSERT INTO {PROBE} (id, value) VALUES (1, 1)"),
    ("SELECT", f"SELECT id, value FROM {PROBE}"),
    ("UPDATE", f"UPDATE {PROBE} SET value = 2 WHERE id = 1"),
    ("DELETE", f"DELETE FROM {PROBE} WHERE id = 1"),
    ("ALTER", f"ALTER TABLE {PROBE} ADD COLUMN more INT"),
    ("INDEX", f"CREATE INDEX {PROBE}_value ON {PROBE} (value)"),
    ("DROP", f"DROP TABLE {PROBE}"),
]

# What a table left over from a killed try answers: already there.
LEFT_OVER = {1050, 1060, 1061, 1062}

# InstallErrors that a right missing in each of these statements brings.
DENIED = {1044, 1142, 1143, 1227, 1370}


# By number: the field that it is about, and what to do.
REFUSALS: list[tuple[set[int], str, str]] = [
    (
        {1045},
        "password",
        "The database server refuses this password for the user {user}: the password or the "
        "user name is wrong. Check both, or set a new password in the control panel.",
    ),
    (
        {1049},
        "name",
        "The server has no database {name}. Create it in the control panel. Many hosts put your "
        "account's name before it, as in account_queue.",
    ),
    (
        {1044, 1142},
        "user",
        "The user {user} may not use the database {name}, or it does not exist. In the control "
        "panel, add the user to the database with all privileges.",
    ),
    (
        {1040},
        "host",
        "The database server has no free connection: the programs of all its users hold them. Wait "
        "a minute and try again; if it stays so, tell your host.",
    ),
    (
        {1203},
        "user",
        "The user {user} has as many connections as the server allows one user: other programs "
        "hold them. Wait a minute and try again, or create a user for the queue alone.",
    ),
    (
        {1226},
        "user",
        "The user {user} has used up what the host allows this user ({said}). Wait and try again; "
        "if it stays so, create a user for the queue alone, or ask your host for more.",
    ),
    (
        {1129},
        "host",
        "The database server has shut this web server out after too many broken connections. Ask "
        "your host to let it in again (FLUSH HOSTS).",
    ),
    (
        {1130},
        "host",
        "The database server takes no connections from this web server. In the control panel, "
        "look for “remote MySQL” and allow it.",
    ),
    (
        {2002, 2003, 2005},
        "host",
        "No database server answers at {host}. The control panel shows the right host in "
        "its list of databases; often it is localhost.",
    ),
]


def try_sqlite(folder: Path) -> str:
    """Whether this Python's SQLite can keep a queue in the folder. Raises InstallError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / ".ht-probe.sqlite3"
    try:
        connection = sqlite3.connect(str(path))
        try:
            connection.execute("CREATE TABLE probe (id INTEGER)")
            connection.commit()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InstallError(f"SQLite cannot write in {folder}: {error}.", "engine") from None
    finally:
        path.unlink(missing_ok=True)
    return f"SQLite {sqlite3.sqlite_version}, {folder / 'queue.sqlite3'}"


def try_mysql(form: Mapping[str, str]) -> str:
    """Whether the typed database can keep a queue; what it is. Raises InstallError."""
    for name, label in (("host", "host"), ("name", "database's name"), ("user", "user")):
        if not form.get(name, "").strip():
            raise InstallError(f"Please fill in the {label}.", name)
    url = from_parts(
        form["host"].strip(), form["name"].strip(), form["user"].strip(), form.get("password", "")
    )
    url.table_prefix = _table_prefix(form)
    connection = _connect(url)
    try:
        return _try(connection, url)
    finally:
        connection.close()


def _table_prefix(form: Mapping[str, str]) -> str:
    prefix = form.get("prefix", "").strip()
    if not re.fullmatch(r"[A-Za-z0-9_]{0,16}", prefix):
        raise InstallError(
            "The table prefix may have up to 16 letters, digits and underscores, like tm_", "prefix"
        )
    return prefix


def _connect(url: DatabaseUrl) -> Any:
    """As typed, and as the queue does it. Raises InstallError."""
    import pymysql

    from app.db.mysql_session import CONNECT_SECONDS, connect, set_up

    try:
        connection = connect(url)
        try:
            set_up(connection, CONNECT_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection
    except (pymysql.MySQLError, OSError, RuntimeError, UnicodeError) as error:
        raise _refusal(error, url) from None


def _refusal(error: Exception, url: DatabaseUrl) -> InstallError:
    """The sentence for a connection that was refused, and the field that it is about."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if not number and isinstance(error, OSError):
        number = 2003
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    for numbers, field, sentence in REFUSALS:
        if number in numbers:
            host = url.socket or f"{url.host}:{url.port}"
            refusal = sentence.format(user=url.user, name=url.database, host=host, said=text)
            return InstallError(f"{refusal} ({number}){_what_was_tried(error)}", field)
    return InstallError(f"The database refuses: {text} ({number})", "host")


def _what_was_tried(error: Exception) -> str:
    """Where the server was looked for, when localhost may mean several things."""
    tried: list[str] = getattr(error, "tried", [])
    is_local = any(place.startswith("localhost:") for place in tried)
    if not is_local:
        return ""
    more = "; the usual places hold no socket" if tried == ["localhost:3306"] else ""
    return f" Tried: {', '.join(tried)}{more}."


def _try(connection: Any, url: DatabaseUrl) -> str:
    version, seconds, engines = _ask(connection)
    server = check_version(version)
    if "InnoDB" not in engines:
        raise InstallError("This database has no InnoDB tables, and the queue needs them.", "host")
    _refuse_foreign_tables(connection, url)
    probe_rights(connection, url)
    drift = abs(seconds - time.time())
    off = drift > CLOCK_TOLERANCE
    note = f"; its clock is {drift:.0f} s off, which does not matter" if off else ""
    return f"{server}, database {url.database}{note}"


def _refuse_foreign_tables(connection: Any, url: DatabaseUrl) -> None:
    """Before anything is made. Raises InstallError naming another program's tables."""
    from app.db.foreign import foreign_tables
    from app.db.mysql import MySQLConnection

    session = MySQLConnection(connection, url.table_prefix)
    session.end_by(time.monotonic() + LOOK_SECONDS)
    found = foreign_tables(session, "mysql")
    if found:
        raise InstallError(
            f"The database {url.database} has tables of another program: {', '.join(found)}. "
            "Nothing was changed. Enter a table prefix that keeps the queue's tables apart, like "
            "tm_, or use another database.",
            "prefix",
        )


def _ask(connection: Any) -> tuple[str, float, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), UNIX_TIMESTAMP()")
        version, seconds = cursor.fetchone()
        cursor.execute("SHOW ENGINES")
        engines = [row[0] for row in cursor.fetchall() if row[1] in ("YES", "DEFAULT")]
    return str(version), float(seconds), engines


def check_version(text: str) -> str:
    """The server's name and version. Raises InstallError for one that is too old."""
    name = "MariaDB" if "mariadb" in text.lower() else "MySQL"
    # Old replication needed a "5.5.5-" before MariaDB's own version.
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)(?:\.\d+)?", text)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST[name]:
        oldest = " and ".join(f"{n} {major}.{minor}" for n, (major, minor) in OLDEST.items())
        raise InstallError(
            f"This is {name} {text}, and the oldest that work are {oldest}. Ask your host for a "
            "newer one, or choose SQLite.",
            "host",
        )
    return f"{name} {version[0]}.{version[1]}"


def probe_rights(connection: Any, url: DatabaseUrl) -> None:
    """Do with a table of its own all that the queue will do. Raises InstallError that names what
    fails.
    """
    missing = []
    _execute(connection, f"DROP TABLE IF EXISTS {PROBE}")
    for privilege, statement in PROBES:
        number, text = _execute(connection, statement)
        if number in DENIED:
            missing.append(privilege)
            if privilege == "CREATE":
                break
        elif number and not missing and number not in LEFT_OVER:
            raise InstallError(f"The database refuses to {privilege}: {text} ({number})", "user")
    if missing:
        raise InstallError(
            f"The user {url.user} lacks the privilege {', '.join(missing)} on the database "
            f"{url.database}. In the control panel, give the user all privileges on it.",
            "user",
        )


def _execute(connection: Any, statement: str) -> tuple[int, str]:
    """The number and text of the error that a statement brings; 0 for none."""
    import pymysql

    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()
    except pymysql.MySQLError as error:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else -1
        return number, str(error.args[-1])
    return 0, ""
