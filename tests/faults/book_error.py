"""What the books of a chaos run find wrong: one entry that does not balance, of one kind."""

from __future__ import annotations

from typing import NamedTuple

LOST = "lost"
"""Something that was acknowledged is not there, or a task never ends."""
DOUBLED = "doubled"
"""A task was with two workers while the first one's lease was on, or was made or done twice."""
REFUSED = "refused"
"""An outcome was refused although it was done, or although the worker held the task."""
EXCEEDED = "over a limit"
"""More tasks of a type, or of a type and key, were claimed at a time than it allows, or in a period
of its rate."""

KINDS = (LOST, DOUBLED, REFUSED, EXCEEDED)


class BookError(NamedTuple):
    """``at`` is on the clients' monotonic clock, 0 where it belongs to no moment."""

    kind: str
    at: float
    text: str
