"""Several things read at one moment, in one round trip: each adds its statements to a reading."""

from __future__ import annotations

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


def read_parts(site: Site, parts: Sequence[Part], of_tail: OfTail = lambda after: ()) -> Reading:
    """The statistics as they are now, read together with what each of the parts is about. The
    reading's own results are left with those of ``of_tail``, as ``read`` has it.
    """
    reading = read(site, [each for part in parts for each in part.statements], of_tail)
    for part in parts:
        count = len(part.statements)
        part.results, reading.results = reading.results[:count], reading.results[count:]
    return reading
