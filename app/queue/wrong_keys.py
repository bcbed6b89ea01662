"""How many wrong API keys came from an address within the current minute.

Under CGI each request is a process of its own, so the counts are rows of ``settings``. There are
at most ``SLOTS`` of them a minute: addresses that share a slot share its count, which harms nobody,
since the right key is always taken. Rows of other minutes go when a new one is made.
"""

from __future__ import annotations

import time

from app.error_log import log
from app.errors import DatabaseError
from app.hashes import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection
    from app.site import Site

LIMIT = 10
"""Wrong keys a minute from one address that are answered as such."""

SLOTS = 1024
PREFIX = "wrong-keys."


def note(site: Site, address: str) -> int:
    """Count one more wrong key. The seconds to wait if there were too many, else 0.

    Nothing is written once there were too many. Never fails: without a database nothing is
    counted.
    """
    minute, second = divmod(int(time.time()), 60)
    this_minute = f"{PREFIX}{minute:010d}."
    name = this_minute + _slot(site.settings.api_key, address)

    def count(connection: Connection) -> int:
        row = {"name": name}
        found = connection.query("SELECT value FROM settings WHERE name = :name", row)
        if found and int(found[0]["value"]) > LIMIT:
            return LIMIT + 2
        if not found:
            _clear(connection, this_minute)
        return _add_one(connection, name)

    try:
        number = site.db.run(count)
    except DatabaseError:
        return 0
    if number == LIMIT + 1:
        log(
            f"more than {LIMIT} wrong API keys within a minute from {address[:60]!r}; "
            "further ones are answered 429 until the minute is over"
        )
    return 60 - second if number > LIMIT else 0


def _add_one(connection: Connection, name: str) -> int:
    """The count with this one. REPLACE, because two may come at once."""
    row = {"name": name}
    results = connection.transact(
        [
            (
                "REPLACE INTO settings (name, value) "
                "SELECT :name, '0' FROM (SELECT 1 AS one) AS once "
                "WHERE NOT EXISTS (SELECT 1 FROM settings WHERE name = :name)",
                row,
            ),
            ("UPDATE settings SET value = value + 1 WHERE name = :name", row),
            ("SELECT value FROM settings WHERE name = :name", row),
        ]
    )
    return int(results[-1].rows[0]["value"])


def _clear(connection: Connection, this_minute: str) -> None:
    """The rows of other minutes, earlier ones and those of a clock that was ahead."""
    values = {"first": PREFIX, "now": this_minute, "next": this_minute + "~", "last": PREFIX + "~"}
    connection.transact(
        [
            ("DELETE FROM settings WHERE name >= :first AND name < :now", values),
            ("DELETE FROM settings WHERE name > :next AND name < :last", values),
        ]
    )


def _slot(api_key: str, address: str) -> str:
    """Without the key the address cannot be derived from it."""
    digest = sha256(f"{api_key}\n{_network(address)}".encode("utf-8", "replace")).digest()
    return format(int.from_bytes(digest[:4], "big") % SLOTS, "03x")


def _network(address: str) -> str:
    """What one caller can choose addresses from: with IPv6 that is a whole network."""
    if ":" not in address or "." in address:
        return address
    import socket

    try:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8].hex()
    except (OSError, ValueError):
        return address
