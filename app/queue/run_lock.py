"""One web run at a time, on however many web servers: a row of ``settings`` says until when.

A run whose process was killed gives the lock back by its time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection
    from app.site import Site

ROW = "web-run.until"


def take(site: Site, seconds: float) -> bool:
    """Take the lock for so long; False where another holds it."""
    return site.db.run(lambda connection: _take(connection, seconds), repeatable=False)


def give_back(site: Site) -> None:
    """Let the next run begin."""
    sql = site.db.dialect
    update = f"UPDATE settings SET value = {sql.now} WHERE name = :name"
    site.db.run(lambda connection: connection.send([(update, {"name": ROW})]))


def _take(connection: Connection, seconds: float) -> bool:
    sql = connection.dialect
    until = sql.after(":seconds")
    values = {"name": ROW, "seconds": seconds}
    make = (
        f"INSERT INTO settings (name, value) VALUES (:name, {sql.now}) "
        + sql.unless_there("settings.name"),
        values,
    )
    # A time further ahead than any run may take is from before the clock was set back.
    free = (
        f"({sql.seconds_since('value')} >= 0 OR {sql.seconds_since('value')} < -2 * :seconds - 600)"
    )
    update = (f"UPDATE settings SET value = {until} WHERE name = :name AND {free}", values)
    return connection.transact([make, update])[1].changed == 1
