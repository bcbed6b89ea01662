"""What a create is going to do: which tasks are new, which exist, which give up their key."""

from __future__ import annotations

from app.queue import dedupe
from app.queue.new_task import Created

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Row
    from app.queue.new_task import TypedDraft


class Plan:
    """``fresh`` are the positions of the drafts to be made; ``expired`` are the scope and the old
    task of each key that one of them takes over.
    """

    def __init__(self, drafts: Sequence[TypedDraft], existing: Sequence[Row]) -> None:
        self.drafts = drafts
        self.fresh: list[int] = []
        self.expired: list[tuple[Any, Row]] = []
        self._existing: list[Row | None] = [None] * len(drafts)
        self._first = list(range(len(drafts)))
        """Of those with the same key, the position of the first."""
        by_key = {(row["type_id"], row["dedupe_key"]): row for row in existing}
        first_with: dict[tuple[int, str], int] = {}
        for position, draft in enumerate(drafts):
            if draft.unique_key is None:
                self.fresh.append(position)
                continue
            key = (draft.type["id"], draft.unique_key)
            if key in first_with:
                self._first[position] = first_with[key]
                continue
            row = by_key.get(key)
            if row is not None and dedupe.still_counts(draft.scope, row):
                self._existing[position] = row
                continue
            if row is not None:
                self.expired.append((draft.scope, row))
            self.fresh.append(position)
            first_with[key] = position

    def created(self, inserted: Sequence[Row]) -> list[Created]:
        """What became of each draft; ``inserted`` are the rows of the fresh ones."""
        rows = list(self._existing)
        for position, row in zip(self.fresh, inserted):
            rows[position] = row
        is_new = set(self.fresh)
        return [
            Created(self.drafts[first].task.type, rows[first] or {}, position not in is_new)
            for position, first in enumerate(self._first)
        ]
