"""The first page: is all well, and what is going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.dashboard.display.charts import BarChart
from app.dashboard.display.schedule_words import in_words
from app.queue import pause
from app.queue.overview import overview
from app.queue.statistics.series import PERIODS, Series
from app.verdict_text import text_of

if TYPE_CHECKING:
    from typing import Any

    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit
    from app.queue.verdict import Trouble

ENDS = {
    "hour": ("60 min ago", "30 min ago", "now"),
    "day": ("24 h ago", "12 h ago", "now"),
    "week": ("7 days ago", "3½ days ago", "now"),
}
PAGES_ABOUT = {"type": "/types", "worker": "/workers", "schedule": "/schedules"}
TONES = {"critical": "bad", "warning": "warning", "notice": "scheduled"}
STEPS = {60: "minute", 900: "quarter of an hour", 3600: "hour"}


def show(visit: Visit) -> PageResponse:
    return visit.render("overview/page.html", **collected(visit))


def collected(visit: Visit) -> dict[str, Any]:
    """What the overview shows, here and on a screen on the wall."""
    period = visit.query.get("period")
    period = period if period in PERIODS else "hour"
    found = overview(visit.site, period)
    return {
        "found": found,
        "troubles": [TroubleShown(visit, each) for each in found.verdict.troubles],
        "activity": Activity(found.series, period),
        "period": period,
        "periods": list(PERIODS),
        "paused_at": pause.state(visit.site).paused_at,
        "in_words": in_words,
        "as_of": visit.as_of(found.as_of),
    }


class TroubleShown:
    """What is wrong, what to do, and the page to look at."""

    def __init__(self, visit: Visit, trouble: Trouble) -> None:
        self.what, self.to_do = text_of(trouble)
        self.tone = TONES[trouble.severity]
        self.address = ""
        if trouble.about and trouble.about[0] in PAGES_ABOUT:
            kind, self.name = trouble.about
            self.address = visit.url(f"{PAGES_ABOUT[kind]}/{self.name}")


class Activity:
    """What a period's chart shows: ``step`` is what each bar stands for."""

    def __init__(self, found: Series, period: str) -> None:
        self.points = found.points
        self.step = STEPS[found.step_seconds]
        self.completed = sum(point["completed"] for point in found.points)
        self.failed = sum(point["failed"] for point in found.points)
        self.chart = BarChart(
            [point["completed"] for point in found.points],
            [point["failed"] for point in found.points],
            ENDS[period],
            f"Tasks that ended in each {self.step} of the last {period}: "
            f"{self.completed} completed, {self.failed} failed. The table below has the numbers",
        )
