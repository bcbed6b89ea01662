"""Who is signed in to the dashboard: one row for each browser that somebody signed in with.

The browser has a token of 256 random bits, and the row only its HMAC with API_KEY: the table alone
lets nobody in, and a new API_KEY signs everybody out. Times are by the database's clock.
"""

from __future__ import annotations

import os
from binascii import b2a_base64

from app import json_text
from app.errors import DatabaseError, NotFound, TryAgain
from app.hashes import hmac_sha256
from app.queue import audit
from app.queue.access import Access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.queue.audit import Actor
    from app.site import Site

ADMIN = "admin"
READ = "read"

TOKEN_CHARACTERS = 43
"""256 bits in base64."""

USE_SECONDS = 60
"""How old ``last_used_at`` may get."""

LISTED = 200

COLUMNS = (
    "sessions.id, sessions.name, sessions.role, sessions.key_id, sessions.created_at, "
    "sessions.last_used_at, sessions.expires_at, api_keys.name AS key_name, api_keys.scopes, "
    "api_keys.type_patterns_json"
)
WITH_KEYS = "sessions LEFT JOIN api_keys ON api_keys.id = sessions.key_id"


class Person:
    """Who signs in: the ``name`` that people and the audit log see, the ``role``, and the id of the
    key with scopes, where one was used.
    """

    def __init__(self, name: str, role: str, key_id: int | None = None) -> None:
        self.name = name
        self.role = role
        self.key_id = key_id

    def actor(self, address: str = "") -> Actor:
        """For the audit log."""
        return audit.Actor(f"{self.name} (dashboard)", address)


class OpenSession(Person):
    """Somebody who is signed in."""

    def __init__(self, row: Row, role: str) -> None:
        super().__init__(row["name"], role, row["key_id"])
        self.id: int = row["id"]
        self.created_at: str = row["created_at"]
        self.last_used_at: str = row["last_used_at"]
        self.expires_at: str = row["expires_at"]


def open_session(site: Site, person: Person, address: str = "") -> str:
    """Sign somebody in. Returns the token for the browser, which cannot be shown later."""
    token = new_token()
    statements = _open(site, person, token, address)
    look = ("SELECT 1 FROM sessions WHERE token_hash = :hash", {"hash": _hash_of(site, token)})

    def work(connection: Connection) -> None:
        if not connection.transact(statements, [look])[-1].rows:
            raise TryAgain("a new session was undone by a rival node")

    site.db.run(work)
    return token


def find(site: Site, token: str) -> OpenSession | None:
    """The session of this token, unless it is over, or its key is. Notes that it was used, at most
    once a minute. Raises a DatabaseError.
    """
    if len(token) != TOKEN_CHARACTERS:
        return None
    sql = site.db.dialect
    select = (
        f"SELECT {COLUMNS}, {sql.seconds_since('sessions.last_used_at')} AS unused_seconds "
        f"FROM {WITH_KEYS} WHERE sessions.token_hash = :hash AND {_is_open(sql)}"
    )
    values = {"hash": _hash_of(site, token), "idle": -site.settings.session_max_idle}
    found = [
        (row, session)
        for row in site.db.run(lambda connection: connection.query(select, values))
        for session in _sessions([row])
    ]
    if not found:
        return None
    row, session = found[0]
    if row["unused_seconds"] > USE_SECONDS:
        _note_use(site, session)
    return session


def list_all(site: Site) -> list[OpenSession]:
    """Those who are signed in, the newest first."""
    sql = site.db.dialect
    select = (
        f"SELECT {COLUMNS} FROM {WITH_KEYS} WHERE {_is_open(sql)} "
        f"ORDER BY sessions.id DESC LIMIT {LISTED}"
    )
    values = {"idle": -site.settings.session_max_idle}
    return _sessions(site.db.run(lambda connection: connection.query(select, values)))


def sign_out(site: Site, session: OpenSession, actor: Actor | None = None) -> None:
    """End one's own session. Doing it twice is fine."""
    _end(site, session.id, "session.sign_out", session.name, actor)


def end(site: Site, session_id: int, actor: Actor | None = None) -> None:
    """End somebody's session. Raises NotFound."""
    select = ("SELECT name FROM sessions WHERE id = :id", {"id": session_id})
    rows = site.db.run(lambda connection: connection.send([select]))[0].rows
    if not rows:
        raise NotFound(f"Session {session_id} not found: it may have ended already")
    _end(site, session_id, "session.end", rows[0]["name"], actor)


def end_all(site: Site, actor: Actor | None = None, key_id: int | None = None) -> None:
    """Sign everybody out; with ``key_id`` only those who signed in with that key."""
    condition = "1 = 1" if key_id is None else "key_id = :key_id"
    target = None if key_id is None else f"key #{key_id}"
    noted = audit.record(site.db.dialect, actor, "session.end_all", target)
    _delete(site, condition, {"key_id": key_id}, noted)


def delete_of_key(key_id: int, condition: str, **values: Any) -> Statement:
    """End the sessions of a key, if the condition holds."""
    delete = f"DELETE FROM sessions WHERE key_id = :key_id AND {condition}"
    return delete, {"key_id": key_id, **values}


def role_of(access: Access) -> str | None:
    """What a key with scopes may do in the dashboard. None: it does not open it. Pages are about
    all task types, so a key for some of them does not.
    """
    if access.type_patterns is not None:
        return None
    if ADMIN in access.scopes:
        return ADMIN
    return READ if READ in access.scopes else None


def new_token() -> str:
    return b2a_base64(os.urandom(32), newline=False).decode().translate(_URL_SAFE).rstrip("=")


_URL_SAFE = str.maketrans("+/", "-_")


def _hash_of(site: Site, token: str) -> str:
    return hmac_sha256(site.settings.api_key.encode(), token.encode("utf-8", "replace"))


def _open(site: Site, person: Person, token: str, address: str) -> list[Statement]:
    sql = site.db.dialect
    values = {
        "hash": _hash_of(site, token),
        "role": person.role,
        "key_id": person.key_id,
        "name": person.name[: audit.ACTOR_CHARACTERS],
        "seconds": site.settings.session_max_age,
    }
    is_new = "NOT EXISTS (SELECT 1 FROM sessions WHERE token_hash = :hash)"
    insert = (
        "INSERT INTO sessions "
        "(token_hash, role, key_id, name, created_at, last_used_at, expires_at) "
        f"SELECT :hash, :role, :key_id, :name, {sql.now}, {sql.now}, {sql.after(':seconds')} "
        f"FROM (SELECT 1 AS one) AS once WHERE {is_new}"
    )
    noted = audit.record(
        sql,
        person.actor(address),
        "session.sign_in",
        None,
        is_new,
        {"hash": values["hash"]},
        role=person.role,
    )
    return [*noted, (insert, values)]


def _is_open(sql: Dialect) -> str:
    """Whether a session is not over, by its own times and by its key; ``:idle`` is negative."""
    return (
        f"sessions.expires_at > {sql.now} AND sessions.last_used_at > {sql.after(':idle')} "
        "AND (sessions.key_id IS NULL OR (api_keys.id IS NOT NULL "
        "AND api_keys.revoked_at IS NULL "
        f"AND (api_keys.expires_at IS NULL OR api_keys.expires_at > {sql.now})))"
    )


def _sessions(rows: list[Row]) -> list[OpenSession]:
    """With the roles that their keys give them now; without those of keys that give them none."""
    found = [(row, _role_now(row)) for row in rows]
    return [OpenSession(row, role) for row, role in found if role is not None]


def _role_now(row: Row) -> str | None:
    if row["key_id"] is None:
        return str(row["role"])
    patterns = json_text.loads(row["type_patterns_json"])
    return role_of(Access(row["key_id"], row["key_name"], row["scopes"].split(","), patterns))


def _note_use(site: Site, session: OpenSession) -> None:
    """Never fails, and waits for no lock."""
    sql = site.db.dialect
    update = (
        f"UPDATE sessions SET last_used_at = {sql.now} WHERE id = :id "
        f"AND last_used_at < {sql.after(str(-USE_SECONDS))}",
        {"id": session.id},
    )
    try:
        site.db.run_once(lambda connection: connection.send([update]))
    except DatabaseError:
        return


def _end(site: Site, session_id: int, action: str, name: str, actor: Actor | None) -> None:
    values = {"session": session_id}
    this = "id = :session"
    is_there = f"EXISTS (SELECT 1 FROM sessions WHERE {this})"
    noted = audit.record(site.db.dialect, actor, action, name, is_there, values)
    _delete(site, this, values, noted)


def _delete(site: Site, condition: str, values: dict[str, Any], noted: Sequence[Statement]) -> None:
    """Delete the sessions that there are now, and see that they are gone."""

    def work(connection: Connection) -> None:
        last = connection.query("SELECT MAX(id) AS id FROM sessions", {})[0]["id"] or 0
        these = f"sessions WHERE id <= :last AND {condition}"
        bound = {**values, "last": last}
        statements = [*noted, (f"DELETE FROM {these}", bound)]
        look = (f"SELECT 1 FROM {these} LIMIT 1", bound)
        if connection.transact(statements, [look])[-1].rows:
            raise TryAgain("the end of a session was undone by a rival node")

    site.db.run(work)
