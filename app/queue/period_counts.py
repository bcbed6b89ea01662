"""Counts of what happened within the current minute, or hour, for limits on it.

Under CGI each request is a process of its own, so counts are rows of ``settings``. Rows of other
periods go when a new one is made.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection
    from app.site import Site


class PeriodCount:
    """How often something happened in the period that began last, in one ``slot`` of several."""

    def __init__(self, prefix: str, seconds: int, slot: str = "") -> None:
        number, elapsed = divmod(int(time.time()), seconds)
        self.seconds_left = seconds - elapsed
        self._prefix = prefix
        self._of_period = f"{prefix}{number:010d}."
        self._row = {"name": self._of_period + slot}

    def add_one(self, site: Site, limit: int) -> int:
        """The count with this one. Nothing is written once it is over the limit by more than one.
        Raises a DatabaseError.
        """

        def count(connection: Connection) -> int:
            found = connection.query("SELECT value FROM settings WHERE name = :name", self._row)
            if found and int(found[0]["value"]) > limit:
                return limit + 2
            if not found:
                self._delete_other_periods(connection)
            return self._add_one(connection)

        return site.db.run(count)

    def take_back(self, site: Site) -> None:
        """One of those that were added does not count after all. Raises a DatabaseError."""
        update = "UPDATE settings SET value = value - 1 WHERE name = :name AND value > 0"
        site.db.run(lambda connection: connection.send([(update, self._row)]))

    def _add_one(self, connection: Connection) -> int:
        """REPLACE, because two may come at once."""
        results = connection.transact(
            [
                (
                    "REPLACE INTO settings (name, value) "
                    "SELECT :name, '0' FROM (SELECT 1 AS one) AS once "
                    "WHERE NOT EXISTS (SELECT 1 FROM settings WHERE name = :name)",
                    self._row,
                ),
                ("UPDATE settings SET value = value + 1 WHERE name = :name", self._row),
                ("SELECT value FROM settings WHERE name = :name", self._row),
            ]
        )
        return int(results[-1].rows[0]["value"])

    def _delete_other_periods(self, connection: Connection) -> None:
        """Earlier ones, and those of a clock that was ahead."""
        values = {
            "first": self._prefix,
            "now": self._of_period,
            "next": self._of_period + "~",
            "last": self._prefix + "~",
        }
        connection.transact(
            [
                ("DELETE FROM settings WHERE name >= :first AND name < :now", values),
                ("DELETE FROM settings WHERE name > :next AND name < :last", values),
            ]
        )
