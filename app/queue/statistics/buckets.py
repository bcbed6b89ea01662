"""Times in buckets of a histogram. Each is a fifth wider than the one below, so that a percentile
is within a tenth of the truth, from a millisecond to years.
"""

from __future__ import annotations

from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.db.connection import Dialect

BASE = 1.2
SMALLEST = 0.001
"""Seconds; the lowest bucket, 0, holds all below, too."""

NO_TIME = -1
"""The bucket of an event that has no time."""

PERCENTILES = (50, 95, 99)


def bucket_of(sql: Dialect, seconds: str) -> str:
    """SQL for the bucket of a time that may be NULL."""
    log = sql.whole_log(f"({seconds}) / {SMALLEST}", BASE)
    return (
        f"CASE WHEN ({seconds}) IS NULL THEN {NO_TIME} "
        f"WHEN ({seconds}) < {SMALLEST} THEN 0 ELSE {log} END"
    )


def percentiles(totals: Mapping[int, int]) -> dict[str, float | None]:
    """The times that so many in a hundred do not exceed; None where no time is known."""
    timed = sorted((bucket, total) for bucket, total in totals.items() if bucket != NO_TIME)
    count = sum(total for _, total in timed)
    found: dict[str, float | None] = {}
    for percent in PERCENTILES:
        rank = -(-count * percent // 100)
        found[f"p{percent}"] = _time_at(timed, rank) if count else None
    return found


def _time_at(timed: list[tuple[int, int]], rank: int) -> float:
    """The middle of the bucket that has the time of this rank."""
    reached = accumulate(total for _, total in timed)
    bucket = next(bucket for (bucket, _), upto in zip(timed, reached) if upto >= rank)
    return float(f"{SMALLEST * BASE ** (bucket + 0.5):.3g}")
