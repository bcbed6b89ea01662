"""A clock that stands still until a test moves it: the database's, as one process sees it.

All times of the queue come from the database. MySQL and MariaDB take the time of a session from
its variable ``timestamp``. SQLite asks its own functions, which are replaced here by ones that read
``now`` as the clock says, and do the rest as before.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from typing import Any

from app.site import Site

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
START = 1_990_785_600_000  # 2033-01-31 12:00:00
"""Later than today's clocks say: some checks ask whether a time is in the future."""


class StoppedClock:
    """The time in milliseconds since 1970. Every connection that the site opens from now on has
    it.
    """

    def __init__(self, site: Site) -> None:
        self.now = START
        self._sessions: list[Any] = []
        self._calendar = sqlite3.connect(":memory:", check_same_thread=False)
        self._is_sqlite = site.db.url.engine == "sqlite"
        self._wrap(site)

    def move(self, milliseconds: int) -> None:
        self.now += milliseconds
        for raw in self._sessions:
            self._tell(raw)

    def close(self) -> None:
        """The site closes its connections itself."""
        self._calendar.close()

    def _wrap(self, site: Site) -> None:
        open_connection = site.db._open

        def open_stopped(*arguments: Any) -> Any:
            connection = open_connection(*arguments)
            self._stop(connection._raw)
            return connection

        site.db._open = open_stopped

    def _stop(self, raw: Any) -> None:
        if self._is_sqlite:
            raw.create_function("strftime", -1, self._strftime)
            raw.create_function("julianday", 1, self._julianday)
            return
        self._sessions = [each for each in self._sessions if each.open]
        self._sessions.append(raw)
        self._tell(raw)

    def _tell(self, raw: Any) -> None:
        """Set the time of a session; a little more, as in ``_read``."""
        with raw.cursor() as cursor:
            cursor.execute(f"SET timestamp = {self.now // 1000}.{self.now % 1000:03}2")

    def _strftime(self, form: str, moment: str | None, *modifiers: str) -> Any:
        marks = ", ".join("?" for _ in (form, moment, *modifiers))
        values = (form, self._read(moment), *modifiers)
        return self._calendar.execute(f"SELECT strftime({marks})", values).fetchone()[0]

    def _julianday(self, moment: str | None) -> Any:
        return self._calendar.execute("SELECT julianday(?)", (self._read(moment),)).fetchone()[0]

    def _read(self, moment: str | None) -> str | None:
        # A little more, so that no rounding takes a millisecond off.
        return f"{stored(self.now)}2" if moment == "now" else moment


def stored(milliseconds: int) -> str:
    """As the tables have a time."""
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03}"


def iso(milliseconds: int | None) -> str | None:
    """As the API shows a time."""
    return None if milliseconds is None else stored(milliseconds).replace(" ", "T") + "Z"


def milliseconds_of(text: str) -> int:
    """The time that a table or a response has."""
    moment = datetime.fromisoformat(text.replace("T", " ").rstrip("Z").ljust(23, "0"))
    return round((moment.replace(tzinfo=timezone.utc) - EPOCH) / timedelta(milliseconds=1))
