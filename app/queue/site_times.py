"""Times that the site stores about itself: rows of ``settings``, by the database's clock."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Dialect, Statement


def add_time(sql: Dialect, name: str, seconds: float = 0) -> Statement:
    """A row that holds the time so many seconds from now, unless there is one of this name."""
    return (
        f"INSERT INTO settings (name, value) VALUES (:name, {sql.after(':seconds')}) "
        + sql.unless_there("settings.name"),
        {"name": name, "seconds": seconds},
    )


def set_time(sql: Dialect, name: str, seconds: float = 0, condition: str = "1 = 1") -> Statement:
    """The same for a row that is there, if the condition holds."""
    return (
        f"UPDATE settings SET value = {sql.after(':seconds')} WHERE name = :name AND {condition}",
        {"name": name, "seconds": seconds},
    )
