"""One call's checking: what it may cost, and what it has found."""

from __future__ import annotations

import sys
import time

from app.queue.schema.wording import LONGEST_MESSAGE, path_text, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from app.queue.schema.wording import At

CHECK_SECONDS = 5.0
"""How long all checking of one call may take."""

MAX_VIOLATIONS = 100
"""How many violations are reported for one value; ``MAX_DETAILS`` for all values of a call."""

MAX_DETAILS = 1000

MAX_DETAILS_TEXT = 200_000
"""How many characters the violations of a call may have together."""

MAX_LEVELS = 1000
"""How deep schemas may lead into one another. Params nest 100 levels at most, so this allows for
ten schemas, one inside the other, on each level; it takes up to 1.5 MB of stack (Python 3.9).
"""

UNITS = 500
"""How much work is done between two looks at the clock: a unit is about a microsecond."""

ADVICE = {
    "contains": "send fewer items at once",
    "items": "send fewer items at once",
    "prefixItems": "send fewer items at once",
    "unevaluatedItems": "send fewer items at once",
    "uniqueItems": "send fewer items at once",
    "additionalProperties": "send fewer properties at once",
    "patternProperties": "send fewer properties at once",
    "propertyNames": "send fewer properties at once",
    "unevaluatedProperties": "send fewer properties at once",
    "pattern": "send a shorter text",
}

# Room for MAX_LEVELS, each of which is up to three functions.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 6000))


class GaveUp(Exception):
    """The check cannot be finished: nothing is known about the value."""

    def __init__(self, at: At, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


class _Enough(Exception):
    """There is no room for more violations."""


class Check:
    """Belongs to one call, and so to one thread; every function that checks something gets it.

    ``telling`` is false while only a verdict is wanted, as inside ``anyOf``: then nothing is
    written down. ``over`` is true once there is no time or room for checking further values.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.deadline = time.monotonic() + (CHECK_SECONDS if seconds is None else seconds)
        self.telling = True
        self.over = False
        self._units = UNITS
        self._level = 0
        self._root = ""
        self._found: list[dict[str, str]] = []
        self._details = MAX_DETAILS
        self._text = MAX_DETAILS_TEXT

    def violations(self, root: str, look: Callable[[], Any]) -> list[dict[str, str]]:
        """What ``look`` finds, as ``{"path", "message"}``; the paths begin with ``root``."""
        self._root, self._found, self._level, self.telling = root, [], 0, True
        self._units = 0  # the clock is looked at before anything else
        try:
            look()
        except _Enough:
            pass
        except GaveUp as gave_up:
            # Whatever was found until then may depend on what was not finished.
            return [self._detail(gave_up.at, gave_up.message)]
        except RecursionError:  # the stack was nearly full when the check began
            return [self._detail((), "the type's schema leads too deep: simplify it")]
        return self._found

    def spend(self, units: int, keyword: str, at: At) -> None:
        """Counts work, done or about to be done. Raises GaveUp when there is no time for more."""
        self._units -= units
        if self._units < 0:
            self._units = UNITS
            if time.monotonic() > self.deadline:
                raise self.took_too_long(keyword, at)

    def took_too_long(self, keyword: str, at: At) -> GaveUp:
        self.over = time.monotonic() > self.deadline
        advice = ADVICE.get(keyword, "send less at once")
        return GaveUp(
            at, f"checking {keyword} took too long: {advice}, or simplify the type's schema"
        )

    def descend(self, keyword: str, at: At) -> None:
        """One schema deeper; ``ascend`` comes back. Raises GaveUp where there is no end."""
        self._level += 1
        if self._level > MAX_LEVELS:
            message = f"the type's schema refers to itself endlessly, through {keyword}"
            raise GaveUp(at, f"{message}: correct the schema")
        self.spend(1, keyword, at)

    def ascend(self) -> None:
        self._level -= 1

    def fail(self, at: At, message: str, *values: Any) -> bool:
        """False, for the caller to return; the message is told with the values, cut short."""
        if self.telling:
            self.tell(at, message.format(*map(short, values)))
        return False

    def tell(self, at: At, message: str) -> None:
        if len(self._found) == MAX_VIOLATIONS:
            raise _Enough
        if self._details <= 0 or self._text <= 0:
            self.over = True
            raise _Enough
        detail = self._detail(at, message)
        self._details -= 1
        self._text -= len(detail["path"]) + len(detail["message"])
        self._found.append(detail)

    def _detail(self, at: At, message: str) -> dict[str, str]:
        return {"path": path_text(self._root, at), "message": message[:LONGEST_MESSAGE]}
