"""Which of a schedule's times get a task, when nobody may have looked for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.queue.schedules.times import from_stored, times_of

if TYPE_CHECKING:
    from datetime import datetime

    from app.db.connection import Row

TIMES_AT_ONCE = 100
"""How many times of one schedule are gone through at once."""

GRACE_SECONDS = 15 * 60
"""With ``missed`` "skip", how late a time may be seen to: some hosts are called by cron alone."""


class DueTimes:
    """``made`` are the times that get a task; ``left_out`` says how many did not, if any; ``last``
    is the last that is seen to, ``next`` the one after it, None where there is none.
    """

    def __init__(self, row: Row) -> None:
        """``row`` is the schedule with ``next_at`` as its first due time, and ``now``."""
        now, first = from_stored(row["now"]), from_stored(row["next_at"])
        times = times_of(row)
        following = times.after(first)
        due, upcoming = [first], next(following, None)
        while upcoming is not None and upcoming <= now and len(due) < TIMES_AT_ONCE:
            due.append(upcoming)
            upcoming = next(following, None)
        has_more = upcoming is not None and upcoming <= now
        if has_more and row["missed"] != "all":
            # Nobody looked at a frequent one for weeks: not all of its times are gone through.
            upcoming = next(times.after(now), None)
        self.last, self.next = due[-1], upcoming
        self.made = _made(due, row["missed"], now)
        self.left_out = _told(len(due) - len(self.made), has_more)


def _made(due: list[datetime], missed: str, now: datetime) -> list[datetime]:
    if missed == "all":
        return due
    is_late = (now - due[-1]).total_seconds() > GRACE_SECONDS
    return [] if missed == "skip" and is_late else due[-1:]


def _told(missed: int, or_more: bool) -> str:
    if not missed:
        return ""
    return f"missed {missed} time{'' if missed == 1 else 's'}{' or more' if or_more else ''}"
