"""Several things read at one moment, in one round trip: each adds its statements to a reading."""

from __future__ import annotations

from app.queue.statistics import marks
from app.queue.statistics.reading import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Result, Row, Statement
    from app.queue.statistics.reading import OfTail, Reading
    from app.site import Site


class Part:
    """What is read with others. ``statements`` find the ``results``."""

    statements: Sequence[Statement] = ()
    results: Sequence[Result] = ()


class SingleQuery(Part):
    """A part that is one statement."""

    def __init__(self, statement: Statement) -> None:
        self.statements = [statement]

    @property
    def rows(self) -> list[Row]:
        return self.results[0].rows


def read_parts(
    site: Site,
    parts: Sequence[Part],
    of_tail: OfTail = lambda after: (),
    of_types: Sequence[int] | None = None,
) -> Reading:
    """The statistics as they are now, read together with what each of the parts is about. The
    reading's own results are left with those of ``of_tail``, as ``read`` has it.
    """
    reading = read(site, _statements(parts), of_tail, of_types)
    reading.results = _hand_out(parts, reading.results)
    return reading


def read_more(site: Site, reading: Reading, parts: Sequence[Part]) -> Reading:
    """Reads further parts, in one more round trip. The reading that belongs to them is the one that
    was given, unless more has been rolled up since.
    """
    statements = [marks.LOOK, *_statements(parts)]
    found, *results = site.db.run(lambda connection: connection.read_at_once(statements))
    rolled_up_to = marks.Marks(found.rows).rolled_up_to
    if reading.rolled_up_to is not None and rolled_up_to != reading.rolled_up_to:
        return read_parts(site, parts)
    _hand_out(parts, results)
    return reading


def _statements(parts: Sequence[Part]) -> list[Statement]:
    return [each for part in parts for each in part.statements]


def _hand_out(parts: Sequence[Part], results: Sequence[Result]) -> Sequence[Result]:
    """Gives each part its results, and returns those that are left."""
    for part in parts:
        count = len(part.statements)
        part.results, results = results[:count], results[count:]
    return results
