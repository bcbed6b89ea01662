"""One type: how its tasks do, what it says about them, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.dashboard.display.charts import BarChart
from app.dashboard.display.filters import pretty
from app.dashboard.display.long_text import LongText
from app.dashboard.forms.type_settings import TypeSettingsForm
from app.json_text import loads
from app.queue import task_types
from app.queue.statistics.failures import failures
from app.queue.statistics.series import series
from app.queue.type_stats import stats_of_type

if TYPE_CHECKING:
    from app.dashboard.page_response import PageResponse
    from app.dashboard.visit import Visit

SHOWN_FAILURES = 5


def show(visit: Visit) -> PageResponse:
    return page(visit, visit.name)


def page(
    visit: Visit, name: str, settings: TypeSettingsForm | None = None, status: int = 200
) -> PageResponse:
    """The page of the type; ``settings`` are those that were entered, with what is wrong."""
    site = visit.site
    row = task_types.get(site, name)
    found = stats_of_type(site, row)
    points = series(site, "hour", name).points
    completed, failed = ([point[end] for point in points] for end in ("completed", "failed"))
    return visit.render(
        "types/type.html",
        status,
        type=row,
        schema=LongText(pretty(loads(row["param_schema_json"]))),
        stats=found.stats,
        active_workers=found.active_workers,
        hour=(sum(completed), sum(failed)),
        chart=BarChart(
            completed,
            failed,
            ("60 min ago", "30 min ago", "now"),
            f"Tasks that ended in each minute of the last hour: {sum(completed)} completed, "
            f"{sum(failed)} failed",
        ),
        failures=failures(site, name, SHOWN_FAILURES),
        settings=settings or TypeSettingsForm(row, site.settings),
        saved=TypeSettingsForm(row, site.settings).values,
        are_settings_open=settings is not None,
        as_of=visit.as_of(found.stats.as_of),
    )
