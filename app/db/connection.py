"""What every engine's connection offers, and the few places where their SQL differs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = dict[str, Any]
    Statement = tuple[str, dict[str, Any]]

ALIVE_SHARE = 0.25
"""Share of a call's remaining time that it waits for a connection that may be dead."""


class Result:
    """What one statement did: its ``rows``, how many it ``changed`` (matched), its ``last_id``."""

    __slots__ = ("changed", "last_id", "rows")

    def __init__(self, rows: list[Row], changed: int, last_id: int) -> None:
        self.rows = rows
        self.changed = changed
        self.last_id = last_id


class Connection:
    """One open connection. ``send`` is one round trip where the engine is across a wire.

    Statements are ``(sql, parameters)`` with parameters named ``:name`` in the SQL. Outside
    ``transact`` and ``begin`` … ``commit`` each statement commits by itself.
    """

    dialect: Dialect
    last_used = 0.0
    earlier_runs = 0
    """How often the unit of work that is running now was begun before, on this connection or on
    another. What those runs did is unknown if their connection broke.
    """
    prefix = ""
    """What stands before the name of each table in the database."""
    is_cluster = False
    """Whether other nodes take writes too. Then a rival's transaction may undo one whose COMMIT
    reports success: only a change that is still there after the COMMIT was made.
    """

    has_snapshots = False
    """Whether a transaction goes on seeing what it found at its first SELECT; one that locks sees
    what is there now.
    """

    lock_what_is_free = ""
    """Ends a SELECT like ``Dialect.lock``, but leaves out rows that others have locked, where the
    engine can do that.
    """

    def wait_for_locks(self, seconds: float | None) -> None:
        """How many seconds statements wait for locks from now on, at least where they cannot leave
        out locked rows; None means as long as usual.
        """
        raise NotImplementedError

    def end_by(self, moment: float) -> None:
        """Wait for locks and for results no longer than until ``moment`` (``time.monotonic``)."""
        raise NotImplementedError

    def send(self, statements: Sequence[Statement]) -> list[Result]:
        raise NotImplementedError

    def is_cut(self) -> bool:
        """Whether the other side has hung up, as far as can be seen without asking it."""
        return False

    def is_alive(self) -> bool:
        """Whether the other side answers."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def query(self, sql: str, parameters: dict[str, Any]) -> list[Row]:
        """The rows of one statement."""
        return self.send([(sql, parameters)])[0].rows

    def transact(
        self, statements: Sequence[Statement], afterwards: Sequence[Statement] = ()
    ) -> list[Result]:
        """All of the statements or none, in one round trip. ``afterwards`` run in the same round
        trip, after the COMMIT; their results follow.
        """
        return self._finish([(self.dialect.begin, {}), *statements], afterwards)[1:]

    def transact_apart(self, statements: Sequence[Statement]) -> list[Result]:
        """All of the statements or none, each in its own round trip: only then does a cluster
        report that it has undone the earlier ones.
        """
        self.send([(self.dialect.begin, {})])
        return self.commit_apart(statements)

    def commit_apart(self, statements: Sequence[Statement]) -> list[Result]:
        """Do these statements, each in its own round trip, and commit the open transaction."""
        results = [self.send([each])[0] for each in statements]
        self.send([("COMMIT", {})])
        return results

    def read_at_once(self, statements: Sequence[Statement]) -> list[Result]:
        """What the statements, none of which writes, find at one and the same moment, in one round
        trip.
        """
        begin = [*self.dialect.before_snapshot, self.dialect.begin_reading]
        results = self.send([*((each, {}) for each in begin), *statements, ("COMMIT", {})])
        return results[len(begin) : -1]

    def begin(self, statements: Sequence[Statement]) -> list[Result]:
        """Open a transaction with these statements; ``commit`` or ``rollback`` ends it."""
        return self.send([(self.dialect.begin, {}), *statements])[1:]

    def commit(
        self, statements: Sequence[Statement], afterwards: Sequence[Statement] = ()
    ) -> list[Result]:
        """Do these statements and commit the open transaction; ``afterwards`` as in transact."""
        return self._finish(statements, afterwards)

    def _finish(
        self, statements: Sequence[Statement], afterwards: Sequence[Statement]
    ) -> list[Result]:
        results = self.send([*statements, ("COMMIT", {}), *afterwards])
        del results[len(statements)]
        return results

    def rollback(self) -> bool:
        """Undo whatever is open. False when the connection is of no further use."""
        raise NotImplementedError


class Dialect:
    """SQL that engines spell differently. Times are UTC, to the millisecond, by the
    database's own clock: two web servers need not agree on the time.
    """

    begin: str
    begin_reading: str
    """The same where nothing is written."""
    before_snapshot: Sequence[str] = ()
    """Precede ``begin`` where all that a transaction reads is to be as it was at its first SELECT
    that locks nothing.
    """
    before_dirty_read: Sequence[str] = ()
    """Precede a SELECT that is to see what others have not committed yet."""
    now: str
    last_id: str
    """The id that the previous INSERT, of one row, was given."""
    lock: str
    """Ends a SELECT whose rows are to be kept as they are until the transaction ends."""
    by_primary_key: str
    """Follows a table's name: find the rows by id, whatever the planner believes."""
    then_join: str
    """Joins tables in the order in which they are written."""
    leaps_to_groups: bool
    """Whether MAX with GROUP BY reads one entry of an index a group, and not all of the group's."""

    def first_id(self, rows: int) -> str:
        """The id that the first row of the previous INSERT was given, which had so many."""
        raise NotImplementedError

    def after(self, seconds: str) -> str:
        """The time ``seconds`` (an SQL expression) from now."""
        raise NotImplementedError

    def seconds_since(self, column: str) -> str:
        raise NotImplementedError

    def timestamp(self, parameter: str) -> str:
        """A bound text ``YYYY-MM-DD HH:MM:SS.mmm`` as a value to compare and store."""
        raise NotImplementedError

    def by_index(self, name: str) -> str:
        """Follows a table's name: use exactly this index."""
        raise NotImplementedError

    def unless_there(self, *key: str) -> str:
        """Ends an INSERT: a row that has this key (each ``table.column``) already stays as it is,
        and is locked.
        """
        raise NotImplementedError

    def or_change(self, *key: str) -> str:
        """Ends an INSERT, and assignments follow it: they change a row that has this key (each
        ``table.column``) already, instead of inserting one.
        """
        raise NotImplementedError

    def given(self, column: str) -> str:
        """What the INSERT gives, in such an assignment."""
        raise NotImplementedError

    def least(self, first: str, second: str) -> str:
        raise NotImplementedError

    def whole_log(self, value: str, base: float) -> str:
        """The whole part of the logarithm of a ``value`` that is not below 1."""
        raise NotImplementedError


def id_list(ids: Iterable[int]) -> str:
    """Ids for ``IN (…)``. Only integers pass, so nothing needs quoting."""
    return ",".join(str(int(each)) for each in ids) or "NULL"


def text_list(prefix: str, texts: Sequence[str]) -> Statement:
    """Named parameters for ``IN (…)``: their SQL and their values."""
    values = {f"{prefix}{position}": text for position, text in enumerate(texts)}
    return ",".join(f":{name}" for name in values) or "NULL", values
