"""How the database finds the tasks that are changed together, among 200,000: as those of a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.mysql import MySQLConnection
from app.db.sqlite import SQLiteConnection
from app.queue import list_count
from app.queue.bulk import BulkChange, BulkRequest, change_many
from app.queue.bulk_tasks import MOST_COUNTED
from app.queue.cancel import CANCEL
from app.queue.delete import DELETE
from app.queue.retry import RETRY
from app.site import Site
from tests.queue import test_list_plans as lists
from tests.queue.test_list_plans import FILTERS, TASKS
from tests.queue.test_plans import Recorder, Seen, rows_read
from tests.support.queue import site_at

ACTIONS = {"retry": RETRY, "cancel": CANCEL, "delete": DELETE}

CHANGEABLE = {
    "retry": ("failed",),
    "cancel": ("pending",),
    "delete": ("failed", "completed", "pending"),
}

PAIRS = [
    ("failed", "a pattern"),
    ("a type", "a tag"),
    ("a tag", "a worker"),
    ("a worker", "after"),
    ("a tag", "before"),
    ("a pattern", "below"),
]
CASES = {
    **FILTERS,
    **{f"{one} and {other}": {**FILTERS[one], **FILTERS[other]} for one, other in PAIRS},
}
"""All pairs are in test_list_plans.py: the statements only end with a count here."""

MOST_ROWS = 6 * MOST_COUNTED
"""What a dry run may read: an index entry and a row of each task that is counted, and as much again
to choose the index and to pass by tasks of other filters; a scan reads 200,000 rows and more."""

FEWEST_ROWS = 25_000
"""What it may read where counting has no time: as many index entries as are counted at most, or a
thousand entries with what is asked about each, after the index was chosen.
"""

big_url = lists.big_url
big_file = lists.big_file


@pytest.fixture(scope="module")
def mariadb_site(big_url: str) -> Iterator[Site]:
    site = site_at(big_url)
    yield site
    site.db.close()


@pytest.fixture(scope="module")
def sqlite_site(big_file: Path) -> Iterator[Site]:
    site = site_at(f"sqlite:///{big_file}")
    yield site
    site.db.close()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch, MySQLConnection, "EXPLAIN FORMAT=TRADITIONAL")


@pytest.fixture
def sqlite_recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch, SQLiteConnection, "EXPLAIN QUERY PLAN")


@pytest.fixture
def without_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 60)


def dry_run(site: Site, action: str, name: str) -> BulkChange:
    filters = {key: value for key, value in CASES[name].items() if key != "before_id"}
    before_id = CASES[name].get("before_id")
    return change_many(site, ACTIONS[action], BulkRequest(None, filters, 1000, before_id), True)


def right_count(action: str, name: str) -> int:
    passes = lists.passes(CASES[name])
    return sum(passes(n) for n in range(1, TASKS + 1) if lists.status(n) in CHANGEABLE[action])


def check_count(result: BulkChange, action: str, name: str) -> None:
    right = right_count(action, name)
    assert (result.matched.total, result.matched.is_capped) == (
        min(right, MOST_COUNTED),
        right > MOST_COUNTED,
    )


@pytest.mark.usefixtures("without_haste")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run(mariadb_site: Site, recorder: Recorder, action: str, name: str) -> None:
    before = rows_read(mariadb_site)
    result = dry_run(mariadb_site, action, name)
    assert rows_read(mariadb_site) - before <= MOST_ROWS
    check_count(result, action, name)
    with recorder.recording() as seen:
        dry_run(mariadb_site, action, name)
    check_mariadb(seen)


@pytest.mark.usefixtures("without_haste")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run_on_sqlite(
    sqlite_site: Site, sqlite_recorder: Recorder, action: str, name: str
) -> None:
    with sqlite_recorder.recording() as seen:
        check_count(dry_run(sqlite_site, action, name), action, name)
    check_sqlite(seen)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run_that_has_no_time(
    mariadb_site: Site, monkeypatch: pytest.MonkeyPatch, action: str, name: str
) -> None:
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 0)
    before = rows_read(mariadb_site)
    result = dry_run(mariadb_site, action, name)
    assert rows_read(mariadb_site) - before <= FEWEST_ROWS
    check_least(result, action, name)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run_that_has_no_time_on_sqlite(
    sqlite_site: Site, monkeypatch: pytest.MonkeyPatch, action: str, name: str
) -> None:
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 0)
    check_least(dry_run(sqlite_site, action, name), action, name)


def check_least(result: BulkChange, action: str, name: str) -> None:
    """No more than there are, and marked where there are more."""
    matched, right = result.matched, right_count(action, name)
    if not matched.is_capped:
        assert matched.total == right
    assert matched.total <= right
    assert matched.is_capped or right <= MOST_COUNTED


def check_mariadb(seen: list[Seen]) -> None:
    for sql, plan in seen:
        for step in plan:
            if lists.OF_TASKS.fullmatch(str(step["table"])):
                assert step["type"] in ("const", "eq_ref", "ref", "range"), (sql, step)
            extra = step["Extra"] or ""
            assert "filesort" not in extra or lists.is_bounded(step), (sql, step)


def check_sqlite(seen: list[Seen]) -> None:
    for sql, plan in seen:
        for step in plan:
            assert not lists.SCAN.match(step["detail"]), (sql, step)
