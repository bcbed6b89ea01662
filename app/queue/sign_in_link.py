"""A way to sign in without a password, for whoever has just proved that the site is theirs: a token
that works once, and not for long. Only its HMAC is stored, with the time when it ends.
"""

from __future__ import annotations

from app.hashes import hmac_sha256
from app.queue.sessions import new_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Statement
    from app.site import Site

PREFIX = "sign-in-link."
SECONDS = 1800

HASH_CHARACTERS = 48
"""192 bits: names in ``settings`` have 64 characters."""


def make(site: Site) -> str:
    """The token of a new one. Those from before are of no use any more. Raises a DatabaseError."""
    token = new_token()
    delete = "DELETE FROM settings WHERE name >= :first AND name < :last"
    insert = f"REPLACE INTO settings (name, value) VALUES (:name, {site.db.dialect.after(':s')})"
    statements: list[Statement] = [
        (delete, {"first": PREFIX, "last": PREFIX + "~"}),
        (insert, {"name": _name(site, token), "s": SECONDS}),
    ]
    site.db.run(lambda connection: connection.transact(statements))
    return token


def is_valid(site: Site, token: str) -> bool:
    """Whether it would sign in now."""
    condition, values = _still_valid(site, token)
    select = f"SELECT 1 FROM settings WHERE {condition}"
    return bool(site.db.run(lambda connection: connection.query(select, values)))


def use(site: Site, token: str) -> bool:
    """Whether it signs in: to one caller, once."""
    condition, values = _still_valid(site, token)
    delete = f"DELETE FROM settings WHERE {condition}"
    return site.db.run(lambda connection: connection.send([(delete, values)])[0].changed) == 1


def _still_valid(site: Site, token: str) -> Statement:
    condition = f"name = :name AND {site.db.dialect.seconds_since('value')} < 0"
    return condition, {"name": _name(site, token)}


def _name(site: Site, token: str) -> str:
    digest = hmac_sha256(site.settings.api_key.encode(), token.encode("utf-8", "replace"))
    return PREFIX + digest[:HASH_CHARACTERS]
