"""Reading the statistics: what is rolled up, and the rows of the history that are not yet in it, as
they are at one and the same moment.
"""

from __future__ import annotations

import contextlib

from app.db.connection import id_list
from app.errors import TryAgain
from app.queue.statistics import marks
from app.queue.statistics.changes import CountChange, changes_between
from app.queue.statistics.recount import MAX_ID, count_statements, counted
from app.queue.statistics.roll_up import roll_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.db.connection import Connection, Result, Row, Statement
    from app.site import Site

    OfTail = Callable[[int], Sequence[Statement]]
    Tail = tuple[int, float]
    CountKey = tuple[int, str, int]

SHORT_TAIL = 5_000
"""A reader rolls up what is more than that, for those who come after it."""

LONG_TAIL = 200_000
"""With more rows than that to add, counting all tasks is quicker."""

CATCH_UP_SECONDS = 1.0

MAX_TRIES = 5
"""How often what is rolled up may change between the look for it and reading it."""


class Reading:
    """``counts`` of tasks by type id, status and error group; ``tail`` are rows as ``changes``
    finds them, for those after ``rolled_up_to``; ``results`` are those of the statements that were
    read with them. ``is_behind`` where more was left to roll up than a reader can add: all tasks
    were counted instead.
    """

    def __init__(
        self,
        counts: dict[CountKey, int],
        tail: Sequence[Row],
        results: Sequence[Result],
        rolled_up_to: int | None = None,
        is_behind: bool = False,
    ) -> None:
        self.counts = counts
        self.tail = tail
        self.results = results
        self.rolled_up_to = rolled_up_to
        self.is_behind = is_behind


def read(
    site: Site,
    statements: Sequence[Statement] = (),
    of_tail: OfTail = lambda after: (),
    of_types: Sequence[int] | None = None,
) -> Reading:
    """The statistics as they are now, and what these statements find with them. ``of_tail`` makes
    further ones for the rows of the history with ids above a given one, which are not rolled up.
    With ``of_types`` the counts need to be right for these types alone: there may be thousands.
    """
    if not site.settings.enable_task_history:
        found = site.db.run(lambda connection: _count(connection, statements, of_tail))
        found.is_behind = False
        return found
    tail = _caught_up(site)
    counts = _counts(of_types)
    return site.db.run(lambda connection: _read(connection, counts, statements, of_tail, tail))


def _counts(of_types: Sequence[int] | None) -> Statement:
    own = "" if of_types is None else f" WHERE type_id IN ({id_list(of_types)})"
    return f"SELECT type_id, status, error_group, total FROM task_counts{own}", {}


def _caught_up(site: Site) -> Tail:
    """How much is not rolled up, after doing what there is of it when that is much."""
    from app.queue.upkeep.turn import Budget

    tail = site.db.run(_tail)
    if tail[1] <= SHORT_TAIL:
        return tail
    with contextlib.suppress(TryAgain):  # somebody else does it
        roll_up(site, Budget(CATCH_UP_SECONDS))
    return site.db.run(_tail)


def _tail(connection: Connection) -> Tail:
    """Up to which id the history is rolled up, and how many come after it at most; without end
    where what is rolled up is not to be used.
    """
    newest: Statement = ("SELECT COALESCE(MAX(id), 0) AS id FROM task_history", {})
    found, last = connection.send([marks.LOOK, newest])
    mark = marks.Marks(found.rows)
    if mark.rolled_up_to is None or mark.is_doubted:
        return 0, float("inf")
    return mark.rolled_up_to, last.rows[0]["id"] - mark.rolled_up_to


def _read(
    connection: Connection,
    counts: Statement,
    statements: Sequence[Statement],
    of_tail: OfTail,
    tail_found: Tail,
) -> Reading:
    for tries in range(MAX_TRIES):
        rolled_up_to, length = _tail(connection) if tries else tail_found
        if length > LONG_TAIL:
            break
        tail = changes_between(connection.dialect, rolled_up_to, MAX_ID)
        found, stored, later, *others = connection.read_at_once(
            [marks.LOOK, counts, tail, *statements, *of_tail(rolled_up_to)]
        )
        mark = marks.Marks(found.rows)
        if mark.rolled_up_to == rolled_up_to and not mark.is_doubted:
            change = CountChange()
            for row in stored.rows:
                change.add((row["type_id"], row["status"], row["error_group"]), row["total"])
            change.add_changes(later.rows)
            return Reading(_without_zeros(change), later.rows, others, rolled_up_to)
    return _count(connection, statements, of_tail)


def _count(connection: Connection, statements: Sequence[Statement], of_tail: OfTail) -> Reading:
    """Without the history: all tasks are counted, and what they did lately is not known."""
    every = count_statements(connection.dialect)
    counts, groups, *others = connection.read_at_once([*every, *statements, *of_tail(MAX_ID)])
    found = counted(counts.rows, groups.rows)
    return Reading(_without_zeros(found), [], others, is_behind=True)


def _without_zeros(change: CountChange) -> dict[CountKey, int]:
    return {key: total for key, total in change.totals.items() if total}
