"""How far upkeep has come: whole numbers or texts, each in a row of ``settings``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.db.connection import Connection, Dialect, Row, Statement


class Cursors:
    """The cursors whose names begin with ``prefix``. Those that nobody has set are 0."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._stored: dict[str, int] = {}
        self._now: dict[str, int] = {}

    @property
    def look(self) -> Statement:
        """Finds what ``found`` is to be told."""
        return (
            "SELECT name, value FROM settings WHERE name >= :first AND name < :last",
            {"first": self._prefix, "last": self._prefix + "~"},
        )

    def found(self, rows: Iterable[Row]) -> None:
        for row in rows:
            value = row["value"]
            self._stored[row["name"]] = int(value) if value.isdecimal() else 0
        self._now = dict(self._stored)

    def __getitem__(self, name: str) -> int:
        return self._now.get(self._prefix + name, 0)

    def __setitem__(self, name: str, value: int) -> None:
        self._now[self._prefix + name] = value

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete the others."""
        kept = {self._prefix + name for name in names}
        self._now = {name: value for name, value in self._now.items() if name in kept}

    def store(self, connection: Connection) -> None:
        """Write what has changed. Another turn may have stored other values: both are right, for
        a cursor only says from where to go on.
        """
        statements: list[Statement] = []
        for name, value in self._now.items():
            values = {"name": name, "value": str(value)}
            if name not in self._stored:
                insert = "INSERT INTO settings (name, value) VALUES (:name, :value) "
                there = connection.dialect.unless_there("settings.name")
                statements.append((insert + there, values))
            elif self._stored[name] != value:
                statements.append(("UPDATE settings SET value = :value WHERE name = :name", values))
        statements += [
            ("DELETE FROM settings WHERE name = :name", {"name": name})
            for name in self._stored.keys() - self._now.keys()
        ]
        if statements:
            connection.transact(statements)
        self._stored = dict(self._now)


class TextPosition:
    """A position that is a text; empty where nobody has stored one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_there = False

    def read(self, connection: Connection) -> str:
        look = "SELECT value FROM settings WHERE name = :name"
        rows = connection.query(look, {"name": self._name})
        self._is_there = bool(rows)
        return rows[0]["value"] if rows else ""

    def store(self, sql: Dialect, position: str) -> list[Statement]:
        """To be called after ``read``."""
        values = {"name": self._name, "value": position}
        if self._is_there:
            return [("UPDATE settings SET value = :value WHERE name = :name", values)]
        insert = "INSERT INTO settings (name, value) VALUES (:name, :value) "
        return [(insert + sql.unless_there("settings.name"), values)] if position else []
