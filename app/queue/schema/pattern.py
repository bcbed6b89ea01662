"""A ``pattern`` of a schema: bounded in what it takes to compile it, and to match it."""

from __future__ import annotations

import time

from app.queue.schema.check import GaveUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.document import Document
    from app.queue.schema.wording import At

PATTERN_SECONDS = 0.2
"""How long one pattern may try to match one text: some need longer than the universe."""


class Pattern:
    """``size`` is how much memory it takes once it is compiled, in parts of 300 bytes."""

    def __init__(self, source: str, document: Document) -> None:
        self.source = source
        self._document = document
        self._compiled: Any = None

    def compile(self) -> Any:
        """Raises PatternError where it is not ECMA-262, or too large."""
        if self._compiled is None:
            from app.queue.schema.ecma import compiled, translate
            from app.queue.schema.ecma_source import PatternError

            translation = translate(self.source)
            if not self._document.take_room(translation.size + 20):
                raise PatternError("is one too many: all patterns together are too large")
            self._compiled = compiled(translation)
        return self._compiled

    def found_in(self, check: Check, text: str, keyword: str, at: At) -> bool:
        compiled = self._compiled
        if compiled is None:
            compiled = self._ready(check, keyword, at)
        check.spend(1 + len(text) // 1000, keyword, at)
        left = min(PATTERN_SECONDS, check.deadline - time.monotonic())
        if left > 0:
            try:
                return compiled.search(text, timeout=left) is not None
            except (TimeoutError, MemoryError):
                pass
        raise check.took_too_long(keyword, at)

    def _ready(self, check: Check, keyword: str, at: At) -> Any:
        check.spend(300, keyword, at)
        try:
            return self.compile()
        except ValueError as error:
            message = f"the type's schema has a {keyword} that {error}: register it again"
            raise GaveUp(at, message) from None
