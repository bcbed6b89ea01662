"""What can go wrong with a database, in the words the rest of the program needs."""

from __future__ import annotations


class DatabaseError(Exception):
    """The database refused a statement in a way that has no name below."""


class TryAgain(DatabaseError):
    """A deadlock or a lock that was not free in time: nothing was done, the same may succeed."""


class ConnectionLost(DatabaseError):
    """The connection broke; whether the last call took effect is unknown."""


class Duplicate(DatabaseError):
    """A unique key already holds this value."""


class TooLarge(DatabaseError):
    """A statement is longer than the database accepts."""


class DatabaseBusy(DatabaseError):
    """Tried several times and never got through."""


class DatabaseUnavailable(DatabaseError):
    """No connection, no room for one, or no tables: the message says which and what to do."""
