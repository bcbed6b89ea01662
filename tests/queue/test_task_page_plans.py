"""How the database finds a page of tasks as people look at it, among 200,000: in both directions by
index scans that read few rows; and the tasks of one customer, by whatever is known of them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db.mysql import MySQLConnection
from app.db.sqlite import SQLiteConnection
from app.queue import list_count, list_plan, search
from app.queue.list_total import list_total
from app.queue.task_page import TaskPage, task_page
from app.site import Site
from tests.dashboard.visitor import Visitor
from tests.queue import test_list_plans as lists
from tests.queue.test_bulk_plans import CASES, check_mariadb, check_sqlite
from tests.queue.test_list_plans import FILTERS, LIMIT, MOST_ROWS, PATTERNS, TASKS
from tests.queue.test_plans import Recorder, rows_read
from tests.support.queue import site_at

PAGE_CASES = {name: CASES[name] for name in CASES if "below" not in name}
MIDDLE = 120_017

CUSTOMER = "customer-4711@example.org"
KEY = "order-4711"
OF_CUSTOMER = [188_003, 150_001, 7]
WITH_KEY = 1_001

FEW_ROWS = 2_000
"""What a page may read that an index finds, with its total and what stands around it."""

big_url = lists.big_url
big_file = lists.big_file


def add_customer(site: Site) -> None:
    """Two ways to know a customer's tasks: by a text in their params, and by a dedupe key."""
    listed = ", ".join(map(str, OF_CUSTOMER))
    values = {"params": f'{{"to":"{CUSTOMER}"}}', "key": KEY}
    by_text = f"UPDATE tasks SET params_json = :params WHERE id IN ({listed})"
    by_key = f"UPDATE tasks SET dedupe_key = :key WHERE id = {WITH_KEY}"
    site.db.run(lambda connection: connection.transact([(by_text, values), (by_key, values)]))


@pytest.fixture(scope="module")
def mariadb_site(big_url: str) -> Iterator[Site]:
    site = site_at(big_url, REQUIRE_AUTH=False, API_KEY="")
    add_customer(site)
    yield site
    site.db.close()


@pytest.fixture(scope="module")
def sqlite_site(big_file: Path) -> Iterator[Site]:
    site = site_at(f"sqlite:///{big_file}", REQUIRE_AUTH=False, API_KEY="")
    add_customer(site)
    yield site
    site.db.close()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch, MySQLConnection, "EXPLAIN FORMAT=TRADITIONAL")


@pytest.fixture
def sqlite_recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch, SQLiteConnection, "EXPLAIN QUERY PLAN")


def newer(site: Site, name: str) -> TaskPage:
    return task_page(site, PAGE_CASES[name], LIMIT, after_id=MIDDLE)


def check_newer(page: TaskPage, name: str) -> None:
    assert [row["id"] for row in page.rows] == expected_above(name)


@functools.cache
def expected_above(name: str) -> list[int]:
    """The newest ones where those above do not fill a page."""
    passes = lists.passes(PAGE_CASES[name])
    above = list(itertools.islice(filter(passes, range(MIDDLE + 1, TASKS + 1)), LIMIT))
    return above[::-1] if len(above) == LIMIT else lists.expected(PAGE_CASES[name])


@pytest.mark.parametrize("name", PAGE_CASES)
def test_newer_tasks(mariadb_site: Site, recorder: Recorder, name: str) -> None:
    before = rows_read(mariadb_site)
    check_newer(newer(mariadb_site, name), name)
    assert rows_read(mariadb_site) - before <= MOST_ROWS
    with recorder.recording() as seen:
        newer(mariadb_site, name)
    check_mariadb(seen)


@pytest.mark.parametrize("name", PAGE_CASES)
def test_newer_tasks_on_sqlite(sqlite_site: Site, sqlite_recorder: Recorder, name: str) -> None:
    with sqlite_recorder.recording() as seen:
        check_newer(newer(sqlite_site, name), name)
    check_sqlite(seen)


@pytest.mark.parametrize("name", [name for name in PATTERNS if name in PAGE_CASES])
def test_newer_tasks_of_very_many_types(
    mariadb_site: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(list_plan, "MAX_SCANS", 5)
    check_newer(newer(mariadb_site, name), name)


@pytest.mark.parametrize(
    "query",
    ["", "before_id=100000", "after_id=100000", "tag=tag-30", "type=kind-7", "status=failed"],
)
def test_a_page_reads_few_rows(mariadb_site: Site, query: str) -> None:
    """With its total, the names of types, everything."""
    visitor = Visitor(mariadb_site)
    visitor.get("/tasks")  # rolls up the statistics
    before = rows_read(mariadb_site)
    # As an open page asks: the numbers beside the navigation are counted with the page alone.
    page = visitor.get(f"/tasks?{query}", x_live="1")
    read = rows_read(mariadb_site) - before
    assert len(page.all("tbody tr")) == 40
    assert read <= FEW_ROWS + (10_000 if query.startswith("tag") else 0)


def test_a_tag_is_counted_without_reading_its_tasks(
    mariadb_site: Site, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are far from each other: of a large table that is not in memory, each would be a read
    from the disk.
    """
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 60)
    right = len(range(30, TASKS + 1, 70))
    assert list_total(mariadb_site, {"tag": "tag-30"}).total == right
    with recorder.recording() as seen:
        task_page(mariadb_site, {"tag": "tag-30"}, LIMIT)
        list_total(mariadb_site, {"tag": "tag-30"})
    keys = [step["key"] for _, plan in seen for step in plan if step["table"] == "t"]
    assert set(keys) == {"tasks_type"}


@pytest.mark.parametrize("on", ["mariadb_site", "sqlite_site"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"q={KEY}", [WITH_KEY]),
        (f"q={WITH_KEY}", [WITH_KEY]),
        ("tag=tag-30&created_before=2026-01-01T01:00:00Z", [240, 170, 100, 30]),
    ],
)
def test_what_an_index_knows_is_found_at_once(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    on: str,
    query: str,
    found: list[int],
) -> None:
    """However old it is: the search for other text ends where it begins."""
    monkeypatch.setattr(search, "MOST_SEARCHED", 1)
    page = Visitor(request.getfixturevalue(on)).get(f"/tasks?{query}")
    assert [int(str(each["value"])) for each in page.soup.select('input[name="ids"]')] == found


@pytest.mark.parametrize("on", ["mariadb_site", "sqlite_site"])
def test_the_tasks_of_one_customer(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, on: str
) -> None:
    """By a text in their params: each page reads a bounded number of tasks, and leads on."""
    monkeypatch.setattr(search, "SEARCH_SECONDS", 600)
    site: Site = request.getfixturevalue(on)
    visitor = Visitor(site)
    address, found, pages = f"/dashboard/tasks?q={CUSTOMER}", [], 0
    while address:
        before = rows_read(site) if on == "mariadb_site" else 0
        page = visitor.request("GET", address)
        if on == "mariadb_site":
            assert rows_read(site) - before <= 5 * search.MOST_SEARCHED
        found += [int(str(each["value"])) for each in page.soup.select('input[name="ids"]')]
        following = page.soup.select('a[rel="next"]')
        address = str(following[0]["href"]) if following else ""
        pages += 1
    assert found == OF_CUSTOMER
    assert pages <= TASKS // search.MOST_SEARCHED + 1


def test_the_filters_are_those_of_lists() -> None:
    assert set(PAGE_CASES) >= set(FILTERS) - {"below", "below the first"}
