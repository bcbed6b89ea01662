"""Opening a session of MySQL or MariaDB in which statements mean the same on every host."""

from __future__ import annotations

from app.db.driver import CLIENT, FIELD_TYPE, conversions, pymysql
from app.db.mysql_errors import classify
from app.db.sockets import local_sockets, open_tcp
from app.errors import DatabaseUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.url import DatabaseUrl

CONNECT_SECONDS = 10.0

PATIENT_SECONDS = 20.0
"""The same for code that connects outside of a call."""

LOCK_SHARE = 4
"""How many waits for a lock fit into the time of a call."""

LOCK_SECONDS = 5

# What a host may have configured otherwise. READ COMMITTED, because gap locks are what makes
# queues deadlock; the SQL mode, so that nothing is cut or coerced in silence; big selects,
# because hosts limit the rows that a query may look at, and a list of tasks looks at many; no
# limit of rows and no safe updates, which change what a statement does; room for a list of buckets.
SETTINGS = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;"
    "SET autocommit=1, innodb_lock_wait_timeout={lock}, lock_wait_timeout={lock}, "
    "sql_big_selects=1, sql_select_limit=18446744073709551615, sql_safe_updates=0, "
    "group_concat_max_len=65536, "
    "sql_mode='STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"
)

# Asked in the same packet. MySQL reads the last part as a comment.
FACTS = "SELECT @@log_bin, @@binlog_format, @@version_comment /*M!100100 , @@wsrep_on */"
UNKNOWN_VARIABLE = 1193

# A log of statements cannot hold what READ COMMITTED does: error 1665 on every write.
FOR_STATEMENT_LOG = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"

# Each transaction and each statement outside of one, whether it reads (1), updates (2) or inserts
# (4), begins when this node has all that any node had acknowledged: a settle may come to another
# node than the claim, a sign-in link may be used at another than made it.
FOR_CLUSTER = "SET SESSION wsrep_sync_wait=7"

NO_TLS = "the database offers no TLS, and DATABASE_URL insists on it"
UNREACHABLE_HOST = 2003
UNREACHABLE = {2002, UNREACHABLE_HOST}
REFUSED = {1045, 1130, 1698}

# Times as the database writes them; numbers as SQLite gives them, without loading ``decimal``.
CONVERSIONS: Any = {
    **conversions,
    FIELD_TYPE.DATETIME: str,
    FIELD_TYPE.DECIMAL: float,
    FIELD_TYPE.NEWDECIMAL: float,
}


class Session:
    """``raw`` is PyMySQL's connection; the rest is as in app.db.connection.Connection."""

    def __init__(self, raw: Any, is_cluster: bool, has_snapshots: bool) -> None:
        self.raw = raw
        self.is_cluster = is_cluster
        self.has_snapshots = has_snapshots


def open_session(url: DatabaseUrl, seconds: float, left: float | None = None) -> Session:
    """Connect and set the session up. ``seconds`` is how long a call may take altogether, and
    ``left`` what this one has of it still.

    Raises a DatabaseError.
    """
    try:
        raw = connect(url, seconds if left is None else left)
        try:
            return set_up(raw, seconds)
        except BaseException:
            raw.close()
            raise
    except (pymysql.MySQLError, RuntimeError) as error:  # RuntimeError: no RSA without a package
        raise classify(error) from error


def lock_seconds(seconds: float) -> int:
    """How long one statement of a call may wait for a lock."""
    return max(1, min(LOCK_SECONDS, int(seconds / LOCK_SHARE)))


def skips_locked_rows(version: str) -> bool:
    """Whether the server knows SKIP LOCKED: MariaDB from 10.6 on, MySQL from 8.0.1 on. MariaDB may
    put ``5.5.5-`` before its version.
    """
    is_mariadb = "MariaDB" in version
    numbers = version.replace("5.5.5-", "", 1).partition("-")[0].split(".")
    try:
        found = tuple(int(each) for each in numbers[:3])
    except ValueError:
        return False
    return found >= ((10, 6) if is_mariadb else (8, 0, 1))


def connect(url: DatabaseUrl, seconds: float = PATIENT_SECONDS) -> Any:
    """PyMySQL's connection. ``localhost`` is the unix socket first, as for every C program, and
    TCP where no socket lets this user in.

    Raises pymysql.MySQLError or RuntimeError; what was tried is in its ``tried``.
    """
    tried = []
    refused: Exception | None = None
    for socket in _sockets(url):
        tried.append(f"the socket {socket}")
        try:
            return _with_or_without_tls(url, socket, seconds)
        except pymysql.MySQLError as error:
            if not error.args or error.args[0] not in UNREACHABLE | REFUSED:
                raise
            if error.args[0] in REFUSED:
                refused = error
    tried.append(f"{url.host}:{url.port}")
    try:
        return _with_or_without_tls(url, url.socket, seconds)
    except pymysql.MySQLError as error:
        unreachable = bool(error.args) and error.args[0] in UNREACHABLE
        reason = refused if refused and unreachable else error
        reason.tried = tried  # type: ignore[attr-defined]
        raise reason from None


def _sockets(url: DatabaseUrl) -> list[str]:
    """Where to look before TCP; a port of its own says that TCP is meant."""
    if url.host != "localhost" or url.socket or url.port != 3306 or url.tls:
        return []
    return local_sockets()


def _with_or_without_tls(url: DatabaseUrl, socket: str, seconds: float) -> Any:
    """Without TLS first: its set-up costs several times the rest of a connect.

    ``?ssl=true`` in the URL asks for TLS. A server that lets this user in only over TLS gets a
    second try with it.
    """
    try:
        return _connect(url, socket, seconds, over_tls=url.tls)
    except (pymysql.MySQLError, RuntimeError) as error:
        if url.tls or not _wants_tls(error):
            raise
        refused = error
    try:
        return _connect(url, socket, seconds, over_tls=True)
    except DatabaseUnavailable:
        raise refused from None


def _connect(url: DatabaseUrl, socket: str, seconds: float, over_tls: bool) -> Any:
    # A server may be slow to take the connection, and after that to answer on it.
    connect_seconds = max(1.0, min(CONNECT_SECONDS, seconds / 2))
    raw: Any = pymysql.connect(
        host=url.host,
        port=url.port,
        unix_socket=socket or None,
        user=url.user or _account(),
        password=url.password,
        database=url.database,
        charset="utf8mb4",
        connect_timeout=connect_seconds,
        read_timeout=max(1.0, seconds / 2),
        write_timeout=max(1.0, seconds / 2),
        autocommit=None,
        client_flag=CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
        conv=CONVERSIONS,
        ssl=_tls_context() if over_tls else None,
        ssl_disabled=not over_tls,
        defer_connect=True,
    )
    try:
        raw.connect(None if socket else _open_tcp(url, connect_seconds))
    except pymysql.MySQLError:
        if over_tls and _offers_no_tls(raw):
            raise DatabaseUnavailable(NO_TLS) from None
        raise
    if over_tls and _offers_no_tls(raw):  # older PyMySQL goes on without
        raw.close()
        raise DatabaseUnavailable(NO_TLS)
    return raw


def _tls_context() -> Any:
    """Encryption without a proof of who the server is: the databases of hosts have self-signed
    certificates. Loading the authorities that browsers trust would take ten times as long.
    """
    try:
        import ssl
    except ImportError as error:
        raise DatabaseUnavailable(f"this Python has no TLS for the database: {error}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _offers_no_tls(raw: Any) -> bool:
    """Whether the server has said what it can do, and TLS is not among it."""
    capabilities: int | None = getattr(raw, "server_capabilities", None)
    return capabilities is not None and not capabilities & CLIENT.SSL


def _open_tcp(url: DatabaseUrl, seconds: float) -> Any:
    host = url.host or "localhost"
    try:
        return open_tcp(host, url.port, seconds)
    except OSError as error:
        reason = f"Can't connect to MySQL server on {host!r} ({error})"
        raise pymysql.OperationalError(UNREACHABLE_HOST, reason) from error


def _account() -> str:
    """The account that runs this program: the user where the address names none."""
    import getpass

    return getpass.getuser()


def _wants_tls(error: Exception) -> bool:
    """3159: the server requires TLS. 2061 and RSA: caching_sha2_password needs a safe channel."""
    text = str(error)
    return any(hint in text for hint in ("3159", "2061", "secure", "RSA", "cryptography"))


def set_up(raw: Any, seconds: float) -> Session:
    """Make the session what statements here expect, whoever connected. Raises a driver's error."""
    facts = _facts(raw, SETTINGS.format(lock=lock_seconds(seconds)))
    log_bin, log_format, comment, wsrep_on = (*facts, None, None, "", None)[:4]
    is_cluster = bool(wsrep_on) or "XtraDB Cluster" in comment or "wsrep" in comment
    if is_cluster:
        _execute(raw, FOR_CLUSTER)
    has_snapshots = bool(log_bin) and log_format == "STATEMENT"
    if has_snapshots:
        _execute(raw, FOR_STATEMENT_LOG)
    return Session(raw, is_cluster, has_snapshots)


def _facts(raw: Any, settings: str) -> tuple[Any, ...]:
    """What the server is, or nothing where it does not know a variable."""
    try:
        return _execute(raw, f"{settings};{FACTS}")
    except pymysql.MySQLError as error:
        if not error.args or error.args[0] != UNKNOWN_VARIABLE:
            raise
        return ()


def _execute(raw: Any, statements: str) -> tuple[Any, ...]:
    """The only row of the last one."""
    with raw.cursor() as cursor:
        cursor.execute(statements)
        while cursor.nextset():
            pass
        return cursor.fetchone() or ()
