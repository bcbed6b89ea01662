"""API keys with scopes: made, listed, rotated and revoked.

The text of a key is returned once, when it is made or rotated, and only its hash is stored.
"""

from __future__ import annotations

import os
from binascii import b2a_base64

from app import json_text
from app.errors import Conflict, Invalid, NotFound, TryAgain
from app.queue import audit, sessions
from app.queue.access import SCOPES
from app.queue.key_lookup import PREFIXES, hash_of
from app.queue.type_patterns import ends_in_escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.audit import Actor
    from app.site import Site

HINT_CHARACTERS = 6
"""How many of a key's random characters are kept, for people to tell it by."""

MAX_PATTERNS = 20

COLUMNS = (
    "id, name, key_hash, hint, scopes, type_patterns_json, created_at, expires_at, last_used_at, "
    "revoked_at, previous_until"
)


class NewKey:
    """A key to be made. Without ``type_patterns`` it is for all task types; ``expires_at`` is a
    stored time. Raises Invalid with all validation errors but one: whether that time is in the
    future, only the database's clock says.
    """

    def __init__(
        self,
        name: str,
        scopes: Sequence[str],
        type_patterns: Sequence[str] | None = None,
        expires_at: str | None = None,
        prefix: str = PREFIXES[0],
    ) -> None:
        self.name = name
        self.scopes = [each for each in SCOPES if each in scopes]
        self.type_patterns = type_patterns
        self.expires_at = expires_at
        self.prefix = prefix
        _refuse([*_scope_errors(scopes), *_pattern_errors(type_patterns)])


class KeyWithText:
    """The ``row`` of a key, and its ``text``, which cannot be shown later."""

    def __init__(self, row: Row, text: str) -> None:
        self.row = row
        self.text = text


def list_all(site: Site, limit: int, before_id: int | None = None) -> list[Row]:
    """Every key, the newest first; also those that were revoked or have expired."""
    before = "" if before_id is None else " WHERE id < :before"
    statement = f"SELECT {COLUMNS} FROM api_keys{before} ORDER BY id DESC LIMIT {int(limit)}"
    return site.db.run(lambda connection: connection.query(statement, {"before": before_id}))


def make(site: Site, new: NewKey, actor: Actor | None = None) -> KeyWithText:
    """Raises Invalid; Conflict when a key that is not revoked has the name."""
    _refuse_past(site, new.expires_at)
    text = new_text(new.prefix)
    row = site.db.run(lambda connection: _make(connection, new, text, actor))
    return KeyWithText(row, text)


def rotate(
    site: Site,
    key_id: int,
    grace: float = 0.0,
    expires_at: str | None = None,
    actor: Actor | None = None,
) -> KeyWithText:
    """Give the key another text; the one that it had is accepted for ``grace`` seconds more, an
    earlier one no longer. ``expires_at`` replaces when the key expires.

    Raises NotFound, Invalid; Conflict for a key that was revoked, or that has expired and is given
    no later time.
    """
    _refuse_past(site, expires_at)
    row = find(site, key_id)
    prefix = next(each for each in PREFIXES if row["hint"].startswith(each))
    text = new_text(prefix)
    values = {"id": key_id, "grace": grace, "expires_at": expires_at}
    changed = site.db.run(lambda connection: _rotate(connection, row, text, values, actor))
    return KeyWithText(changed, text)


def revoke(site: Site, key_id: int, actor: Actor | None = None) -> Row:
    """From now on the key is refused. Revoking twice is fine. Raises NotFound."""
    row = find(site, key_id)
    return site.db.run(lambda connection: _revoke(connection, row, actor))


def find(site: Site, key_id: int) -> Row:
    """One key. Raises NotFound."""
    look = _look(site.db.dialect, key_id)
    return site.db.run(lambda connection: _one(connection.query(*look), key_id))


def new_text(prefix: str) -> str:
    """256 random bits, in characters that need no quoting anywhere."""
    random = b2a_base64(os.urandom(32), newline=False).decode("ascii")
    return prefix + random.rstrip("=").replace("+", "-").replace("/", "_")


def _make(connection: Connection, new: NewKey, text: str, actor: Actor | None) -> Row:
    """One that was made by an earlier run is found by its hash."""
    sql = connection.dialect
    patterns = new.type_patterns
    values = {
        "name": new.name,
        "hash": hash_of(text),
        "hint": text[: len(new.prefix) + HINT_CHARACTERS],
        "scopes": ",".join(new.scopes),
        "patterns": None if patterns is None else json_text.dumps(list(patterns)),
        "expires_at": new.expires_at,
    }
    same_name = "name = :name AND revoked_at IS NULL"
    insert = (
        "INSERT INTO api_keys (name, key_hash, hint, scopes, type_patterns_json, created_at, "
        f"expires_at) SELECT :name, :hash, :hint, :scopes, :patterns, {sql.now}, "
        f"{sql.timestamp(':expires_at')} FROM (SELECT 1 AS one) AS once "
        f"WHERE NOT EXISTS (SELECT 1 FROM api_keys WHERE {same_name})"
    )
    noted = audit.record(
        sql,
        actor,
        "key.make",
        new.name,
        "EXISTS (SELECT 1 FROM api_keys WHERE key_hash = :hash)",
        {"hash": values["hash"]},
        scopes=new.scopes,
        type_patterns=patterns,
    )
    look = f"SELECT {COLUMNS} FROM api_keys WHERE key_hash = :hash OR ({same_name})"
    found = connection.transact([(insert, values), *noted], [(look, values)])[-1].rows
    for row in found:
        if row["key_hash"] == values["hash"]:
            return row
    if not found:
        raise TryAgain("a new key was undone by a rival node")
    raise Conflict(
        f"There is a key named {new.name!r} (#{found[0]['id']}): rotate or revoke it, or choose "
        "another name"
    )


def _rotate(
    connection: Connection, row: Row, text: str, values: dict[str, Any], actor: Actor | None
) -> Row:
    sql = connection.dialect
    values = {
        **values,
        "hash": hash_of(text),
        "old": row["key_hash"],
        "hint": text[: len(row["hint"])],
    }
    # MySQL assigns from left to right and reads what it has already assigned.
    update = (
        "UPDATE api_keys SET previous_hash = CASE WHEN :grace > 0 THEN key_hash ELSE NULL END, "
        f"previous_until = CASE WHEN :grace > 0 THEN {sql.after(':grace')} ELSE NULL END, "
        f"expires_at = COALESCE({sql.timestamp(':expires_at')}, expires_at), "
        "key_hash = :hash, hint = :hint "
        "WHERE id = :id AND key_hash = :old AND revoked_at IS NULL AND "
        f"(:expires_at IS NOT NULL OR expires_at IS NULL OR expires_at > {sql.now})"
    )
    noted = audit.record(
        sql,
        actor,
        "key.rotate",
        row["name"],
        "EXISTS (SELECT 1 FROM api_keys WHERE key_hash = :hash)",
        {"hash": values["hash"]},
        grace=values["grace"],
    )
    # Whoever signed in to the dashboard with the old text does so again with the new one.
    signed_out = sessions.delete_of_key(
        row["id"],
        "EXISTS (SELECT 1 FROM api_keys WHERE key_hash = :hash)",
        hash=values["hash"],
    )
    statements = [(update, values), signed_out, *noted]
    found = connection.transact(statements, [_look(sql, row["id"])])[-1].rows
    now = _one(found, row["id"])
    if now["key_hash"] == values["hash"]:
        return now
    if now["revoked_at"] is not None:
        raise Conflict(f"Key {_named(now)} was revoked: make another")
    if now["key_hash"] != row["key_hash"]:
        raise Conflict(f"Key {_named(now)} was rotated by another call at this moment: try again")
    if now["is_expired"]:
        raise Conflict(f"Key {_named(now)} has expired: send expires_at with a later time")
    raise TryAgain("a rotation was undone by a rival node")


def _revoke(connection: Connection, row: Row, actor: Actor | None) -> Row:
    sql = connection.dialect
    values = {"id": row["id"]}
    in_use = "id = :id AND revoked_at IS NULL"
    noted = audit.record(
        sql,
        actor,
        "key.revoke",
        row["name"],
        f"EXISTS (SELECT 1 FROM api_keys WHERE {in_use})",
        values,
    )
    update = (
        f"UPDATE api_keys SET revoked_at = {sql.now}, previous_hash = NULL, previous_until = NULL "
        f"WHERE {in_use}",
        values,
    )
    found = connection.transact([*noted, update], [_look(sql, row["id"])])[-1].rows
    now = _one(found, row["id"])
    if now["revoked_at"] is None:
        raise TryAgain("the end of a key was undone by a rival node")
    return now


def _look(sql: Dialect, key_id: int) -> Statement:
    columns = f"{COLUMNS}, expires_at <= {sql.now} AS is_expired"
    return f"SELECT {columns} FROM api_keys WHERE id = :id", {"id": key_id}


def _one(rows: Sequence[Row], key_id: int) -> Row:
    if not rows:
        raise NotFound(f"API key {key_id} not found: list them with GET /api/keys")
    return rows[0]


def _named(row: Row) -> str:
    return f"{row['name']!r} (#{row['id']})"


def _refuse(errors: list[dict[str, str]]) -> None:
    """Raises Invalid if there are any."""
    if errors:
        raise Invalid(f"{errors[0]['path']} {errors[0]['message']}", errors)


def _scope_errors(scopes: Sequence[str]) -> list[dict[str, str]]:
    unknown = sorted({each for each in scopes if each not in SCOPES})
    if unknown:
        message = f"has {unknown[0]!r}: known are {', '.join(SCOPES)}"
    elif not scopes:
        message = f"must name at least one of {', '.join(SCOPES)}: a key without any opens nothing"
    else:
        return []
    return [{"path": "scopes", "message": message}]


def _pattern_errors(patterns: Sequence[str] | None) -> list[dict[str, str]]:
    """A key for no types at all, and a pattern that the two engines read differently."""
    if patterns is None:
        return []
    if not 1 <= len(patterns) <= MAX_PATTERNS:
        message = f"must have 1 to {MAX_PATTERNS} patterns; leave it out for all task types"
        return [{"path": "type_patterns", "message": message}]
    return [
        {
            "path": f"type_patterns[{position}]",
            "message": "must not end in a backslash, which stands before the character it is for",
        }
        for position, pattern in enumerate(patterns)
        if ends_in_escape(pattern)
    ]


def _refuse_past(site: Site, expires_at: str | None) -> None:
    """By the database's clock, as everything else that expires. Raises Invalid."""
    if expires_at is None:
        return
    sql = site.db.dialect
    look = f"SELECT {sql.timestamp(':expires_at')} > {sql.now} AS is_ahead"
    rows = site.db.run(lambda connection: connection.query(look, {"expires_at": expires_at}))
    if not rows[0]["is_ahead"]:
        _refuse([{"path": "expires_at", "message": "must be in the future"}])
