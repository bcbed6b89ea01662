"""The times of a schedule in words."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from app import wording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def in_words(row: Mapping[Any, Any]) -> str:
    """``At 02:30 every day, Europe/Prague time``, ``Every 15 min``."""
    if row["every_seconds"] is not None:
        return f"Every {wording.span(row['every_seconds'])}"
    from cronsim import CronSim  # loaded when needed

    words = CronSim(row["cron"], datetime.now(timezone.utc)).explain()
    zone = row["timezone"]
    return words if zone == "UTC" else f"{words}, {zone} time"
