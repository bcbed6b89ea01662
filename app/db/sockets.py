"""Ways to a database server: where one on this machine listens, as programs written in C look for
it, and TCP.

Control panels make users for ``localhost``, which MySQL takes for the unix socket; the same user
is refused over TCP.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

USUAL = (
    "/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/var/run/mysql/mysql.sock",
    "/usr/local/mysql/data/mysql.sock",
    "/tmp/mysql.sock",
)
OPTION_FILES = ("~/.my.cnf", "/etc/my.cnf", "/etc/mysql/my.cnf")

SYSTEM_USERS = 1000
"""Ids below this belong to services. Another person's socket must not get a password."""


def local_sockets() -> list[str]:
    """The sockets that are there, the most likely first."""
    named = os.environ.get("MYSQL_UNIX_PORT", "")
    found: list[str] = []
    for path in (named, *_of_option_files(), *USUAL):
        if path and path not in found and _is_trusted(path):
            found.append(path)
    return found


def open_tcp(host: str, port: int, seconds: float) -> socket.socket:
    """Connect as PyMySQL does. A host's name given as bytes needs no tables for international
    names, which each request under CGI would load. Raises OSError.
    """
    import socket  # after PyMySQL, which loads it without what is not used here

    name = host.encode() if host.isascii() else host
    opened = socket.create_connection((name, port), seconds)  # type: ignore[arg-type]
    opened.settimeout(None)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return opened


def _of_option_files() -> Iterator[str]:
    for name in OPTION_FILES:
        try:
            with open(os.path.expanduser(name), encoding="utf-8", errors="replace") as file:
                yield from _sockets_in(file.read())
        except OSError:
            continue


def _sockets_in(text: str) -> Iterator[str]:
    """What the group for clients says."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        name, equals, value = line.partition("=")
        if group in ("client", "client-server") and equals and name.strip() == "socket":
            yield _value(value.strip())


def _value(text: str) -> str:
    """Without the quotes around it, or the comment behind it."""
    if text[:1] in ('"', "'"):
        return text[1:].partition(text[0])[0]
    return text.partition("#")[0].strip()


def _is_trusted(path: str) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    trusted = found.st_uid < SYSTEM_USERS or found.st_uid == os.getuid()
    return stat.S_ISSOCK(found.st_mode) and trusted
