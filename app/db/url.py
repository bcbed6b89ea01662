"""The database's address, in SQLAlchemy's form."""

from __future__ import annotations

import os

# urllib.parse is loaded where it is needed: without it a call under CGI is a tenth faster.

EXAMPLES = (
    "sqlite:////path/queue.sqlite3, or mysql+pymysql://user:password@host:3306/name?charset=utf8mb4"
)
MYSQL_SCHEMES = {"mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"}


class DatabaseUrl:
    """``engine`` is ``sqlite`` (with ``path``) or ``mysql`` (with the rest)."""

    engine = "sqlite"
    path = ""
    host = ""
    port = 3306
    socket = ""
    user = ""
    password = ""
    database = ""
    tls = False
    table_prefix = ""

    def for_sqlalchemy(self) -> str:
        """The same address as SQLAlchemy and its drivers want it spelled."""
        if self.engine == "sqlite":
            return f"sqlite:///{self.path}"
        from urllib.parse import quote

        user = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        socket = f"&unix_socket={quote(self.socket)}" if self.socket else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        name = quote(self.database, safe="")
        return f"mysql+pymysql://{user}@{host}:{self.port}/{name}?charset=utf8mb4{socket}"


def parse(text: str, base_folder: str) -> DatabaseUrl:
    """Read a URL; a relative SQLite path is taken from ``base_folder``.

    Raises ValueError with a sentence that says what is wrong, never naming the password.
    """
    scheme = text.partition("://")[0].lower()
    if scheme in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(text, base_folder)
    if scheme in MYSQL_SCHEMES:
        return _mysql(text)
    raise ValueError(f"is not a database address that is understood; write {EXAMPLES}")


def from_parts(host: str, name: str, user: str, password: str) -> DatabaseUrl:
    """From the four values that control panels show. ``host`` may be ``host:3307`` or
    ``localhost:/path/mysql.sock``.
    """
    url = DatabaseUrl()
    url.engine = "mysql"
    url.database, url.user, url.password = name, user, password
    if host.startswith("["):  # IPv6
        address, _, rest = host[1:].partition("]")
        colon, rest = rest[:1], rest[1:]
    else:
        address, colon, rest = host.partition(":")
    url.host = address if not colon or host.startswith("[") else host
    if colon and rest.startswith("/"):
        url.host, url.socket = address or "localhost", rest
    elif colon and rest.isdigit():
        url.host, url.port = address, int(rest)
    return url


def _sqlite(text: str, base_folder: str) -> DatabaseUrl:
    path = text.partition("://")[2].partition("?")[0]
    if "%" in path:
        from urllib.parse import unquote

        path = unquote(path)
    if not path.startswith("/") or path in ("/", "/:memory:"):
        raise ValueError(
            "must name a file: every process would have a queue of its own in memory; "
            "write sqlite:////absolute/path or sqlite:///relative/path"
        )
    url = DatabaseUrl()
    url.path = os.path.join(base_folder, path[1:])
    return url


def _mysql(text: str) -> DatabaseUrl:
    from urllib.parse import parse_qs, unquote, urlsplit

    try:
        parts = urlsplit(text)
        port = parts.port or 3306
    except ValueError as error:
        raise ValueError(
            "cannot be read: write special characters in the password as %xx "
            f"(@ is %40, / is %2F, # is %23); the form is {EXAMPLES}"
        ) from error
    options = parse_qs(parts.query)
    url = DatabaseUrl()
    url.engine = "mysql"
    url.host, url.port = unquote(parts.hostname or "localhost"), port
    url.user, url.password = unquote(parts.username or ""), unquote(parts.password or "")
    url.database = unquote(parts.path.lstrip("/"))
    url.socket = options.get("unix_socket", [""])[0]
    url.tls = _wants_tls({name: values[0] for name, values in options.items()})
    if not url.database:
        raise ValueError("names no database: it ends in /name")
    if parts.fragment:
        raise ValueError("has a # in it: write it as %23")
    return url


def _wants_tls(options: dict[str, str]) -> bool:
    """Any TLS option asks for TLS, except those that turn it off."""
    if options.get("ssl_disabled", "").lower() in ("true", "1"):
        return False
    wanted = {name: value for name, value in options.items() if name.startswith("ssl")}
    wanted.pop("ssl_disabled", None)
    return any(value.lower() not in ("false", "0", "") for value in wanted.values())
