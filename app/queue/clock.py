"""The time, by the clock that all times of the queue are from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.site import Site


def now(site: Site) -> str:
    """The database's time, as stored: UTC."""
    look = f"SELECT {site.db.dialect.now} AS now"
    return str(site.db.run(lambda connection: connection.query(look, {}))[0]["now"])
