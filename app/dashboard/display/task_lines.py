"""Tasks as lines of a list: their texts cut to what fits, their state in a few facts."""

from __future__ import annotations

from datetime import datetime

from app.dashboard.display.filters import compact
from app.json_text import loads
from app.queue.lanes import told_status
from app.queue.task_fields import FIELD_OF
from app.queue.task_page import TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PARAMS = 160
"""So many characters of params are shown."""


class TaskLine:
    """A row as ``task_page`` reads it, at the time ``now``."""

    def __init__(self, row: Mapping[str, Any], now: str) -> None:
        self._row = row
        self._now = now
        self.id: int = row["id"]
        self.type: str = row["type"]
        self.status: str = told_status(row["status"])
        self.tags: list[str] = FIELD_OF["tags"].show(row)
        self.worker: str | None = row["claimed_by"]
        self.progress: float | None = row["progress"]
        self.attempts: int = row["attempts"]
        self.is_to_stop = bool(row["cancel_requested"])
        self.created_at: str = str(row["created_at"])

    @property
    def params(self) -> str:
        """On one line, with spaces as people write JSON."""
        text: str = self._row["params"]
        return compact(loads(text), PARAMS) if len(text) <= TEXT else _cut(text, PARAMS)

    @property
    def error(self) -> str:
        """The last one, also of a task that waits for its next attempt."""
        return _cut(self._row["error"] or "", TEXT)

    @property
    def progress_message(self) -> str:
        return _cut(self._row["progress_message"] or "", TEXT)

    @property
    def has_failed(self) -> bool:
        """Whether a waiting task was tried before; to be released is no try."""
        return int(self.attempts) > int(self._row["releases"])

    @property
    def pending_since(self) -> str:
        return str(self._row["pending_since"])

    @property
    def due_at(self) -> str:
        """When a scheduled task becomes pending."""
        return str(self._row["due_at"])

    @property
    def is_lease_over(self) -> bool:
        return self.status == "claimed" and self.due_at < self._now

    @property
    def claimed_at(self) -> str:
        return str(self._row["claimed_at"])

    @property
    def completed_at(self) -> str:
        return str(self._row["completed_at"])

    @property
    def run_seconds(self) -> float | None:
        """How long the last attempt took, of a task that has ended."""
        if self._row["completed_at"] is None or self._row["claimed_at"] is None:
            return None
        took = _moment(self.completed_at) - _moment(self.claimed_at)
        return max(0.0, took.total_seconds())


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored[:23])
