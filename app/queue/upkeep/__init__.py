"""What rides along in claims, because nothing runs by itself here.

``reclaim`` is part of every claim. Everything else is a duty that can wait: a claim learns in its
first packet whether the next turn is due, and whoever wins it runs the duties when its own work is
committed (``turn``, which is imported only then).
"""

from __future__ import annotations

TURN_SECONDS = 10
"""How long after a turn the next one is due."""

ROWS = "upkeep."
"""What the names of all rows of ``settings`` begin with that upkeep keeps there."""

NEXT_TURN = f"{ROWS}next_turn_at"
"""The row that holds when the next turn is due, by the database's clock."""

LIMITS_DUTY = "limits"
"""The duty that puts the tasks of types in order whose limits were changed."""

PAUSED_AT = "queue.paused_at"
"""The row that is there while the whole queue is paused. Claims read it beside the one above."""


def due_at(duty: str) -> str:
    """The name of the row that holds when a duty is due next."""
    return f"{ROWS}{duty}_at"


def is_due(seconds: float | None) -> bool:
    """Whether a turn is due, if it has been for so long; None is before the first one ever. A time
    far ahead is left from before the clock was set back.
    """
    return seconds is None or seconds >= 0 or seconds < -2 * TURN_SECONDS
