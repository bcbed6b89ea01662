"""The admin password of the dashboard: its hash is a row of ``settings``.

While none is set, only keys sign in.
"""

from __future__ import annotations

from app.errors import Invalid, TryAgain
from app.queue import audit, sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Statement
    from app.queue.audit import Actor
    from app.site import Site

ROW = "admin_password"

MIN_CHARACTERS = 10
MAX_CHARACTERS = 1000


def is_set(site: Site) -> bool:
    return _stored(site) is not None


def check(site: Site, password: str) -> bool:
    """Whether this is the password. One that was hashed with other parameters than today's is
    hashed again. Raises a DatabaseError.
    """
    # Loaded when needed: most requests of the dashboard check no password.
    from app import password_hash

    stored = _stored(site)
    if stored is None or len(password) > MAX_CHARACTERS:
        return False
    if not password_hash.is_right(password, stored):
        return False
    if password_hash.is_outdated(stored):
        _upgrade(site, stored, password_hash.hash_of(password))
    return True


def change(site: Site, password: str, actor: Actor | None = None) -> None:
    """Set the password, and sign everybody out. Raises Invalid."""
    from app import password_hash  # loaded when needed

    check_length(password)
    new = password_hash.hash_of(password)
    replace = "REPLACE INTO settings (name, value) VALUES (:name, :value)"
    noted = audit.record(site.db.dialect, actor, "password.set")
    _write(site, [(replace, {"name": ROW, "value": new}), *noted], new)
    sessions.end_all(site)


def remove(site: Site, actor: Actor | None = None) -> None:
    """From now on only keys sign in. Signs everybody out."""
    name = {"name": ROW}
    is_there = "EXISTS (SELECT 1 FROM settings WHERE name = :name)"
    noted = audit.record(site.db.dialect, actor, "password.remove", None, is_there, name)
    _write(site, [*noted, ("DELETE FROM settings WHERE name = :name", name)], None)
    sessions.end_all(site)


def _write(site: Site, statements: list[Statement], expected: str | None) -> None:
    """Run the statements in one transaction, and see that they left what is expected."""

    def work(connection: Connection) -> None:
        connection.transact(statements)
        if _read(connection) != expected:
            raise TryAgain("a change of the password was undone by a rival node")

    site.db.run(work)


def check_length(password: str) -> None:
    """Raises Invalid."""
    if len(password) < MIN_CHARACTERS:
        message = f"must have at least {MIN_CHARACTERS} characters"
    elif len(password) > MAX_CHARACTERS:
        message = f"must have at most {MAX_CHARACTERS} characters"
    else:
        return
    raise Invalid(f"The password {message}", [{"path": "password", "message": message}])


def _stored(site: Site) -> str | None:
    return site.db.run(_read)


def _read(connection: Connection) -> str | None:
    rows = connection.query("SELECT value FROM settings WHERE name = :name", {"name": ROW})
    return rows[0]["value"] if rows else None


def _upgrade(site: Site, old: str, new: str) -> None:
    """Unless somebody has set another password in the meantime."""
    update = (
        "UPDATE settings SET value = :new WHERE name = :name AND value = :old",
        {"name": ROW, "new": new, "old": old},
    )
    site.db.run(lambda connection: connection.send([update]))
