"""Finding the key with scopes that a caller sent.

Keys are stored as their SHA-256, and found by it: 256 random bits cannot be guessed, so a slow hash
would add nothing, and how long the index takes tells nothing about a key.
"""

from __future__ import annotations

from app import json_text
from app.db import check_version
from app.errors import DatabaseError, DatabaseUnavailable
from app.hashes import sha256
from app.queue.access import Access
from app.version import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Dialect, Result, Row, Statement
    from app.site import Site

PREFIXES = ("tm_", "sk_live_")
"""How keys begin. Some SDKs of Spooled take only the second."""

RANDOM_CHARACTERS = 43
"""256 bits in base64."""

USE_SECONDS = 60
"""How old ``last_used_at`` may get, in seconds, before a use of the key updates it."""


class KeyLookup:
    """The ``access`` that was found, or None and a ``reason``: empty where there is no such key,
    which is all that somebody without a real key is told.
    """

    def __init__(self, access: Access | None, reason: str = "") -> None:
        self.access = access
        self.reason = reason


def hash_of(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).hexdigest()


def looks_like_key(text: str) -> bool:
    """Whether it may be one of our keys: for anything else the database is not asked."""
    return any(
        text.startswith(prefix) and len(text) == len(prefix) + RANDOM_CHARACTERS
        for prefix in PREFIXES
    )


def find(site: Site, keys: Sequence[str]) -> KeyLookup:
    """The first of these keys that is valid. Raises a DatabaseError."""
    hashes = [hash_of(key) for key in keys if looks_like_key(key)]
    if not hashes:
        return KeyLookup(None)
    statements = [each for one in hashes for each in _looks(site.db.dialect, one)]
    rows = [row for result in _send(site, statements) for row in result.rows]
    reason = ""
    for row in rows:
        reason = _why_not(row)
        if not reason:
            return KeyLookup(_access(row))
    return KeyLookup(None, reason)


def note_use(site: Site, access: Access) -> None:
    """Note that the key was used now, for people to see. Never fails, and waits for no lock."""
    sql = site.db.dialect
    update = (
        f"UPDATE api_keys SET last_used_at = {sql.now} WHERE id = :id "
        f"AND (last_used_at IS NULL OR last_used_at < {sql.after(str(-USE_SECONDS))})",
        {"id": access.key_id},
    )
    try:
        site.db.run_once(lambda connection: connection.send([update]))
    except DatabaseError:
        return


def _send(site: Site, statements: list[Statement]) -> list[Result]:
    """Raises OldTables where there is no table of keys yet."""
    try:
        return site.db.run(lambda connection: connection.send(statements))
    except DatabaseUnavailable:
        site.db.run(lambda connection: check_version(connection, SCHEMA_VERSION))
        raise


def _looks(sql: Dialect, key_hash: str) -> list[Statement]:
    """Finds the key by its hash, and by the one that it had before it was rotated."""
    columns = (
        "id, name, scopes, type_patterns_json, expires_at, revoked_at, "
        f"CASE WHEN expires_at <= {sql.now} THEN 1 ELSE 0 END AS is_expired, "
        f"{sql.seconds_since('last_used_at')} AS unused_seconds"
    )
    is_over = f"CASE WHEN previous_until > {sql.now} THEN 0 ELSE 1 END AS is_over"
    values = {"hash": key_hash}
    return [
        (f"SELECT {columns}, 0 AS is_over FROM api_keys WHERE key_hash = :hash", values),
        (f"SELECT {columns}, {is_over} FROM api_keys WHERE previous_hash = :hash", values),
    ]


def _why_not(row: Row) -> str:
    """Why a key that exists is refused; empty if it is not. Only who has the key learns it."""
    key = f"The API key {row['name']!r}"
    if row["revoked_at"] is not None:
        return f"{key} was revoked: ask whoever runs this queue for another"
    if row["is_over"]:
        return f"{key} was rotated and this is the old one: send the new one"
    if row["is_expired"]:
        return f"{key} has expired: ask whoever runs this queue for another"
    return ""


def _access(row: Row) -> Access:
    seconds = row["unused_seconds"]
    scopes = [each for each in row["scopes"].split(",") if each]
    return Access(
        row["id"],
        row["name"],
        scopes,
        json_text.loads(row["type_patterns_json"]),
        seconds is None or seconds > USE_SECONDS,
    )
