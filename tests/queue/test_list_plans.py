"""How the database finds the tasks of a list, among 200,000: by index scans, few rows, no sort of
more than a page. Every filter of GET /tasks and every pair of them, with hits and without.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from app.queue import list_plan, listing
from app.site import Site
from tests.queue.test_plans import NUMBERS
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.queue import register, site_at

if TYPE_CHECKING:
    from app.db.connection import Statement

TASKS = 200_000
TYPES = 20
LIMIT = 50
FIRST_DAY = datetime(2026, 1, 1)

MOST_ROWS = 12 * 4_000
"""What a list may read. The filters of a pair that finds nothing are passed by 4,000 tasks each or
more: each is read with an index entry for each of the others; a scan of the table reads 200,000."""

FILL = """
INSERT INTO tasks (id, type_id, status, urgency, attempts, max_attempts, claimed_by,
    cancel_requested, tags, created_at, params_json)
SELECT n, {first} + n MOD {types},
    CASE WHEN n > {tasks} - 1000 THEN 'pending' WHEN n MOD 20 = 0 THEN 'failed'
        ELSE 'completed' END,
    0, 1, 9, CASE WHEN n <= {tasks} - 1000 THEN {worker} END,
    0, CASE WHEN n MOD 10 = 0 THEN {tag} END, {created}, '{{"some": "params"}}'
FROM {numbers}
"""
"""One in 50 of a worker's, one in 70 of a tag's. A day has 7,200 tasks."""

TAGS = """
INSERT INTO task_tags (tag, task_id, type_id)
SELECT {tag}, id, type_id FROM (SELECT id AS n, id, type_id FROM tasks WHERE tags IS NOT NULL) AS t
"""

OF_TASKS = re.compile(r"d|t|p\d|tasks|task_tags")
"""The names that tables of tasks and of their tags have in statements."""

SCAN = re.compile(rf"SCAN ({OF_TASKS.pattern})\b")
"""How SQLite says that it reads all of a table or an index."""

Filters = Mapping[str, Any]

FILTERS: dict[str, Filters] = {
    "failed": {"status": "failed"},
    "pending": {"status": "pending"},
    "claimed, of which there are none": {"status": "claimed"},
    "a type": {"type": "kind-7"},
    "a type of which all have failed": {"type": "kind-0"},
    "a pattern": {"type": "kind-1%"},
    "a pattern of no types": {"type": "none%"},
    "a tag": {"tag": "tag-30"},
    "no tag": {"tag": "none"},
    "a worker": {"worker_id": "worker-0"},
    "a worker of whom none have failed": {"worker_id": "worker-7"},
    "no worker": {"worker_id": "nobody"},
    "after": {"created_after": "2026-01-14 00:00:00.000"},
    "after the last": {"created_after": "2027-01-01 00:00:00.000"},
    "before": {"created_before": "2026-01-14 00:00:00.000"},
    "before the first": {"created_before": "2025-01-01 00:00:00.000"},
    "below": {"before_id": 100_000},
    "below the first": {"before_id": 1},
}

CASES: dict[str, Filters] = {
    "everything": {},
    **FILTERS,
    **{
        f"{one} and {other}": {**FILTERS[one], **FILTERS[other]}
        for one, other in itertools.combinations(FILTERS, 2)
        if not set(FILTERS[one]) & set(FILTERS[other])
    },
}


class Seen(NamedTuple):
    sql: str
    plan: list[dict[str, Any]]


def fill(site: Site, numbers: str, created: str, concat: str) -> list[str]:
    types = [register(site, f"kind-{position}") for position in range(TYPES)]
    words = {
        "first": types[0],
        "types": TYPES,
        "tasks": TASKS,
        "worker": concat.format("'worker-'", "(n MOD 50)"),
        "tag": concat.format(
            "'\\n'", concat.format("'tag-'", concat.format("(n MOD 70)", "'\\n'"))
        ),
        "created": created,
        "numbers": numbers,
    }
    tag = concat.format("'tag-'", "(n MOD 70)")
    return [FILL.format(**words), TAGS.format(tag=tag)]


@pytest.fixture(scope="module")
def big_url(mariadb: DatabaseServer) -> str:
    url = mariadb_with_tables(mariadb, "tm_big_lists")
    site = site_at(url)
    numbers = f"({NUMBERS}) AS numbers WHERE n BETWEEN 1 AND {TASKS} ORDER BY n"
    created = "TIMESTAMP('2026-01-01') + INTERVAL n * 12 SECOND"
    statements = fill(site, numbers, created, "CONCAT({}, {})")
    site.db.close()
    mariadb.client("; ".join([*statements, "ANALYZE TABLE tasks, task_tags"]), "tm_big_lists")
    return url


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "q.sqlite3"
    site = site_at(f"sqlite:///{path}")
    numbers = (
        "(WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count "
        f"WHERE n < {TASKS}) SELECT n FROM count)"
    )
    created = "strftime('%Y-%m-%d %H:%M:%S.000', 1767225600 + n * 12, 'unixepoch')"
    for sql in fill(site, numbers, created, "({} || {})"):
        here = sql.replace(" MOD ", " % ").replace("'\\n'", "char(10)")
        site.db.run(lambda connection, sql=here: connection.send([(sql, {})]))
    site.db.close()
    return path


class Lists:
    """The lists of one site, and what was sent to read them, on the one connection that it has."""

    def __init__(self, site: Site, explain: str) -> None:
        self._site = site
        self._explain = explain
        self._sent: list[Statement] = []
        site.db.run(self._record)

    def find(self, filters: Filters) -> list[int]:
        self._sent.clear()
        return [row["id"] for row in listing.find(self._site, filters, LIMIT)]

    def plans(self) -> list[Seen]:
        """Of the statements that the last list was read by."""
        return [
            Seen(sql, self._query(f"{self._explain} {sql}", values))
            for sql, values in list(self._sent)
        ]

    def rows_read(self) -> int:
        """By the server's count, of the connection that lists are read on."""
        status = self._query("SHOW SESSION STATUS LIKE 'Handler_read%'", {})
        return sum(int(row["Value"]) for row in status)

    def _query(self, sql: str, values: Any) -> list[dict[str, Any]]:
        return self._site.db.run(lambda connection: connection.query(sql, values))

    def _record(self, connection: Any) -> None:
        send = connection.send

        def recorded(statements: list[Statement]) -> Any:
            self._sent += [each for each in statements if each[0].startswith("SELECT")]
            return send(statements)

        connection.send = recorded

    def close(self) -> None:
        self._site.db.close()


def expected(filters: Filters) -> list[int]:
    """The ids of a list, from what the tables were filled with."""
    return list(itertools.islice(filter(passes(filters), range(TASKS, 0, -1)), LIMIT))


def passes(filters: Filters) -> Any:
    tests = {
        "status": lambda n, value: status(n) == value,
        "type": lambda n, value: (
            f"kind-{n % TYPES}".startswith(value[:-1])
            if value.endswith("%")
            else value == f"kind-{n % TYPES}"
        ),
        "tag": lambda n, value: n % 10 == 0 and value == f"tag-{n % 70}",
        "worker_id": lambda n, value: status(n) != "pending" and value == f"worker-{n % 50}",
        "created_after": lambda n, value: created(n) > value,
        "created_before": lambda n, value: created(n) < value,
        "before_id": lambda n, value: n < value,
    }
    return lambda n: all(tests[name](n, value) for name, value in filters.items())


def status(n: int) -> str:
    if n > TASKS - 1000:
        return "pending"
    return "failed" if n % 20 == 0 else "completed"


def created(n: int) -> str:
    return f"{FIRST_DAY + timedelta(seconds=12 * n):%Y-%m-%d %H:%M:%S}.000"


@pytest.fixture(scope="module")
def mariadb_lists(big_url: str) -> Iterator[Lists]:
    lists = Lists(site_at(big_url), "EXPLAIN FORMAT=TRADITIONAL")
    yield lists
    lists.close()


@pytest.fixture(scope="module")
def sqlite_lists(big_file: Path) -> Iterator[Lists]:
    lists = Lists(site_at(f"sqlite:///{big_file}"), "EXPLAIN QUERY PLAN")
    yield lists
    lists.close()


PATTERNS = [name for name in CASES if name.split(" and ")[0] == "a pattern"] + [
    name for name in CASES if name.endswith(" and a pattern")
]


@pytest.mark.parametrize("name", CASES)
def test_list(mariadb_lists: Lists, name: str) -> None:
    check_mariadb(mariadb_lists, CASES[name])


@pytest.mark.parametrize("name", PATTERNS)
def test_list_of_very_many_types(
    mariadb_lists: Lists, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """More than have an index scan each."""
    monkeypatch.setattr(list_plan, "MAX_SCANS", 5)
    check_mariadb(mariadb_lists, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_list_on_sqlite(sqlite_lists: Lists, name: str) -> None:
    check_sqlite(sqlite_lists, CASES[name])


@pytest.mark.parametrize("name", PATTERNS)
def test_list_of_very_many_types_on_sqlite(
    sqlite_lists: Lists, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(list_plan, "MAX_SCANS", 5)
    check_sqlite(sqlite_lists, CASES[name])


def check_mariadb(lists: Lists, filters: Filters) -> None:
    before = lists.rows_read()
    found = lists.find(filters)
    read = lists.rows_read() - before
    assert found == expected(filters)
    assert read <= MOST_ROWS
    for sql, plan in lists.plans():
        for step in plan:
            if OF_TASKS.fullmatch(str(step["table"])):
                assert step["type"] in ("const", "eq_ref", "ref", "range"), (sql, step)
            extra = step["Extra"] or ""
            assert "filesort" not in extra or is_bounded(step), (sql, step)


def is_bounded(step: dict[str, Any]) -> bool:
    """Whether the step reads what subqueries with a LIMIT found, or was made for that."""
    return step["table"] is None or str(step["table"]).startswith(("<derived", "<union"))


def check_sqlite(lists: Lists, filters: Filters) -> None:
    assert lists.find(filters) == expected(filters)
    for sql, plan in lists.plans():
        for step in plan:
            assert not SCAN.match(step["detail"]), (sql, step)
