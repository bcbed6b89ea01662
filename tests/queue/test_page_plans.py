"""How the database finds what pages show, in a long history: by indexes, and as few rows as with a
short one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.queue import workers
from app.queue.access import Access
from app.queue.navigation_counts import navigation_counts
from app.queue.overview import overview
from app.queue.statistics import last_minute
from app.queue.task_detail import task_detail
from app.queue.type_order import FIGURES
from app.queue.type_page import sorted_type_page, type_page
from app.queue.verdict_facts import verdict
from app.queue.worker_states import worker_page
from app.site import Site
from tests.queue.statistics.test_plans import (
    ALIASES,
    LARGE,
    TASKS,
    long_site,
    long_url,
    recorder,
)
from tests.queue.test_plans import Recorder, rows_read

__all__ = ["long_site", "long_url", "recorder"]

SOME = Access(1, "some", ["read"], ["a", "b"])

PAGES: dict[str, Callable[[Site], Any]] = {
    "overview": overview,
    "overview of a week": lambda site: overview(site, "week"),
    "overview of some types": lambda site: overview(site, access=SOME),
    "verdict": verdict,
    "types": type_page,
    **{f"types by {each}": partial(sorted_type_page, figure=each) for each in FIGURES},
    "types by a text": lambda site: type_page(site, text="A"),
    "workers": lambda site: worker_page(site, 50),
    "a task that is done": lambda site: task_detail(site, TASKS - 1),
    "a task that failed": lambda site: task_detail(site, TASKS),
}

ROWS_OF_A_PAGE = 6000
"""Of 50,000 tasks and as many changes. A page has several panels."""

OWN_INDEXES = {
    **LARGE,
    "tasks": {*LARGE["tasks"], "tasks_claim_type", "tasks_parent"},
    "audit_log": {"audit_log_target"},
}


@pytest.mark.parametrize("name", PAGES)
def test_page(
    long_site: Site, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(last_minute, "ROWS", 1000)
    PAGES[name](long_site)
    before = rows_read(long_site)
    PAGES[name](long_site)
    assert rows_read(long_site) - before < ROWS_OF_A_PAGE
    with recorder.recording() as seen:
        PAGES[name](long_site)
    check(seen)


def test_days_of_workers_are_looked_up(long_site: Site, recorder: Recorder) -> None:
    """Not found by lists after IN: of fifty workers, these are some ten thousand ranges to plan."""
    for number in range(50):
        workers.register(long_site, f"w{number}", {})
    page = worker_page(long_site, 50)
    (day,) = (each.day for each in page.workers if each.told["id"] == "w1")
    ended = long_site.db.run(
        lambda connection: connection.query(
            "SELECT event, SUM(total) AS total FROM worker_activity WHERE worker_id = 'w1' "
            f"AND started_at > {connection.dialect.after('-86400')} GROUP BY event",
            {},
        )
    )
    totals = {row["event"]: int(row["total"]) for row in ended}
    assert day.completed == totals["completed"] > 0
    assert day.failed == totals["failed"] + totals.get("retried", 0)
    with recorder.recording() as seen:
        worker_page(long_site, 50)
    found = [step for _, plan in seen for step in plan if step["table"] == "a"]
    assert [(step["type"], step["key"]) for step in found] == [("ref", "PRIMARY")]


def test_navigation(long_site: Site, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queue.navigation_counts.MOST", 500)
    for access in (None, SOME):
        before = rows_read(long_site)
        navigation_counts(long_site, access)
        assert rows_read(long_site) - before < ROWS_OF_A_PAGE
        with recorder.recording() as seen:
            navigation_counts(long_site, access)
        check(seen)


def check(recorded: list[Any]) -> None:
    assert recorded
    for sql, plan in recorded:
        for step in plan:
            table = ALIASES.get(step["table"], step["table"])
            if table in OWN_INDEXES:
                assert step["type"] in ("const", "eq_ref", "ref", "range"), (sql, step)
                assert step["key"] in OWN_INDEXES[table], (sql, step)
