"""How long what has ended is kept: by the settings, and by each type that says otherwise."""

from __future__ import annotations

from app import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config import Settings
    from app.db.connection import Row, Statement

STATUSES = ("completed", "failed", "cancelled")
RESULT = "result"
"""What retention can be about besides the tasks of a status: the results of completed ones."""

LEAST_SECONDS = 600.0
"""How long at least: a worker may send an outcome again, and gets the same answer until then."""

DAY = 86400.0


OWN_RETENTION = "retention_json IS NOT NULL OR retention_days IS NOT NULL"
"""True of types that have a retention of their own."""


class Retention:
    """``types`` are the rows that ``own_retention`` finds."""

    def __init__(self, settings: Settings, types: Sequence[Row]) -> None:
        self._of_site = {
            "completed": _seconds(settings.retain_completed_days),
            "failed": _seconds(settings.retain_failed_days),
            "cancelled": _seconds(settings.retain_cancelled_days),
            RESULT: _seconds(settings.retain_result_days),
        }
        self._of_types: dict[str, dict[int, float | None]] = {kind: {} for kind in self._of_site}
        for row in types:
            for kind, days in _own_days(row).items():
                self._of_types[kind][row["id"]] = _seconds(days)

    def seconds(self, kind: str, type_id: int | None = None) -> float | None:
        """How long after their end tasks of a status are kept, or results; None means for ever.
        Without a type, how long those of all types are kept that do not say otherwise.
        """
        own = self._of_types[kind]
        return own[type_id] if type_id in own else self._of_site[kind]

    def own_types(self, kind: str) -> list[int]:
        """The ids of the types that say otherwise."""
        return sorted(self._of_types[kind])

    def is_needed(self, kind: str) -> bool:
        """Whether anything is not kept for ever."""
        seconds = [self._of_site[kind], *self._of_types[kind].values()]
        return any(each is not None for each in seconds)


def own_retention() -> Statement:
    """Finds the types that have a retention of their own."""
    return (
        f"SELECT id, retention_days, retention_json FROM task_types WHERE {OWN_RETENTION}",
        {},
    )


def _own_days(row: Row) -> dict[str, float | None]:
    """``retention_days`` is the older way to say it, of tasks of every status."""
    days: dict[str, float | None] = {}
    if row["retention_days"] is not None:
        days = dict.fromkeys(STATUSES, row["retention_days"])
    return {**days, **(json_text.loads(row["retention_json"]) or {})}


def _seconds(days: float | None) -> float | None:
    return None if days is None else max(days * DAY, LEAST_SECONDS)
