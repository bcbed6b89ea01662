"""One web run at a time, on however many web servers: a row of ``settings`` says until when.

The lock of a run whose process was killed ends by itself at that time.
"""

from __future__ import annotations

from app.queue.site_times import add_time, set_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection
    from app.site import Site

ROW = "web-run.until"


def take(site: Site, seconds: float) -> bool:
    """Take the lock for so long; False where another holds it."""
    return site.db.run(lambda connection: _take(connection, seconds), repeatable=False)


def give_back(site: Site) -> None:
    """Release the lock, so that the next run can begin."""
    free = set_time(site.db.dialect, ROW)
    site.db.run(lambda connection: connection.send([free]))


def _take(connection: Connection, seconds: float) -> bool:
    sql = connection.dialect
    overdue = sql.seconds_since("value")
    # A time further ahead than any run may take is from before the clock was set back.
    is_free = f"({overdue} >= 0 OR {overdue} < -2 * :seconds - 600)"
    taken = connection.transact([add_time(sql, ROW), set_time(sql, ROW, seconds, is_free)])[1]
    return taken.changed == 1
