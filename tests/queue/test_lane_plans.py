"""How the database finds the tasks that limits hold back, among 100,000 of one key and as many of
one rate: by an index, few at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.db.mysql import MySQLConnection
from app.db.sqlite import SQLiteConnection
from app.queue import create as creating
from app.queue import retry, task_types
from app.queue.cancel import CANCEL, cancel
from app.queue.claim import ClaimRequest, claim
from app.queue.delete import delete
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.release import Release
from app.queue.settle import Completion, settle
from app.queue.task_edit import TaskEdit
from app.queue.upkeep.idle_lanes import check_idle_lanes
from app.site import Site
from tests.queue.test_plans import NUMBERS, Recorder, check_mariadb, check_sqlite, rows_read
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.queue import register, site_at

pytestmark = pytest.mark.usefixtures("no_upkeep")

LARGE = 100_000
KEYS = 1_000
OF_A_KEY = 8
MOST_ROWS = 500
"""A claim may read so many rows; a scan would read 200 times as many."""

COLUMNS = (
    "type_id, status, urgency, attempts, max_attempts, cancel_requested, created_at, params_json, "
    "concurrency_key, key_slot"
)


def fill(site: Site, numbers: str) -> None:
    """A key with very many tasks, a thousand keys with some, and a type with a rate; none free."""
    keyed = register(site, "keyed", max_per_key=2)
    rated = register(site, "rated", rate={"tasks": 3, "seconds": 86_400})
    register(site, "plain")
    now = site.db.dialect.now
    large = f"'{{}}', 'large', 0 FROM {numbers} WHERE n BETWEEN 1 AND {LARGE}"
    prefix = "'k' || n" if site.db.url.engine == "sqlite" else "CONCAT('k', n)"
    small = f"'{{}}', {prefix}, 0 FROM {numbers} WHERE n BETWEEN 1 AND {KEYS}"
    throttled = f"'{{}}', NULL, NULL FROM {numbers} WHERE n BETWEEN 1 AND {LARGE}"
    waiting = f"-(n * 7919 % 11), 0, 3, 0, {now}"
    insert = f"INSERT INTO tasks ({COLUMNS}) SELECT"
    statements = [
        f"{insert} {keyed}, 'blocked', {waiting}, {large}",
        *[f"{insert} {keyed}, 'blocked', {waiting}, {small}"] * OF_A_KEY,
        f"{insert} {rated}, 'throttled', {waiting}, {throttled}",
        f"INSERT INTO lanes (type_id, concurrency_key, due_at) SELECT DISTINCT type_id, "
        f"COALESCE(concurrency_key, ''), {now} FROM tasks",
    ]
    for each in statements:
        site.db.run(lambda connection, each=each: connection.send([(each, {})]))
    while claim(site, ClaimRequest("holder", 100, 86_400)).tasks or _is_due(site):
        pass


def _is_due(site: Site) -> bool:
    look = f"SELECT 1 FROM lanes WHERE due_at <= {site.db.dialect.now}"
    return bool(site.db.run(lambda connection: connection.query(look, {})))


@pytest.fixture(scope="module")
def big_url(mariadb: DatabaseServer) -> str:
    url = mariadb_with_tables(mariadb, "tm_lanes")
    site = site_at(url)
    fill(site, f"({NUMBERS}) AS numbers")
    site.db.close()
    mariadb.client("ANALYZE TABLE tasks, task_types, lanes, rate_claims", "tm_lanes")
    return url


@pytest.fixture(scope="module")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lanes") / "queue.sqlite3"
    site = site_at(f"sqlite:///{path}")
    numbers = (
        "(WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count "
        f"WHERE n < {LARGE}) SELECT n FROM count)"
    )
    fill(site, numbers)
    site.db.close()
    return path


@pytest.fixture
def big_site(engine: str, request: pytest.FixtureRequest) -> Iterator[Site]:
    if engine == "sqlite":
        site = site_at(f"sqlite:///{request.getfixturevalue('big_file')}")
    else:
        site = site_at(request.getfixturevalue("big_url"))
    yield site
    site.db.close()


@pytest.fixture
def recorder(engine: str, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    if engine == "sqlite":
        return Recorder(monkeypatch, SQLiteConnection, "EXPLAIN QUERY PLAN")
    return Recorder(monkeypatch, MySQLConnection, "EXPLAIN FORMAT=TRADITIONAL")


def held(site: Site, key: str) -> int:
    """A task that the holder has of this key."""
    return _first(site, f"status = 'claimed' AND concurrency_key = '{key}'")


def _first(site: Site, condition: str) -> int:
    sql = f"SELECT id FROM tasks WHERE {condition} ORDER BY id LIMIT 1"
    return int(site.db.run(lambda connection: connection.query(sql, {}))[0]["id"])


def _claim(site: Site, limit: int = 100) -> list[int]:
    tasks = claim(site, ClaimRequest("holder", limit, 86_400)).tasks
    return [task["id"] for task in tasks]


def _complete(site: Site, *task_ids: int) -> None:
    settle(site, [Completion(LeaseRef(each, "holder", None), None) for each in task_ids])


def free_a_slot(site: Site) -> None:
    _complete(site, held(site, "large"))
    assert len(_claim(site)) == 1


def free_ten_slots(site: Site) -> None:
    _complete(site, *(held(site, f"k{n}") for n in range(1, 11)))
    assert len(_claim(site)) == 10


def release(site: Site) -> None:
    settle(site, [Release(LeaseRef(held(site, "large"), "holder", None))])
    assert len(_claim(site)) == 1


def make_more(site: Site) -> None:
    keys = ("large", "k1", "new")
    tasks = [NewTask("keyed", {}, dedupe=False, concurrency_key=key) for key in keys]
    creating.create(site, [*tasks, NewTask("rated", {}, dedupe=False)])
    assert len(_claim(site)) == 1


def take_waiting_ones_away(site: Site) -> None:
    for status in ("blocked", "throttled"):
        cancel(site, _first(site, f"status = '{status}'"))
        delete(site, _first(site, f"status = '{status}'"))
        retry.retry(site, _first(site, f"status = '{status}'"), edit=TaskEdit(priority=99))
    waiting = [_first(site, f"status = 'blocked' AND concurrency_key = 'k{n}'") for n in (1, 2)]
    site.db.run(lambda c: CANCEL.change(c, site, waiting, CANCEL.statuses, None))
    assert _claim(site) == []


def check_lanes(site: Site) -> None:
    check_idle_lanes(site, lambda: True)
    assert _claim(site) == []


CALLS: dict[str, Callable[[Site], Any]] = {
    "a claim beside them": _claim,
    "a slot is free": free_a_slot,
    "ten slots are free": free_ten_slots,
    "a release": release,
    "more tasks": make_more,
    "fewer tasks": take_waiting_ones_away,
    "lanes that are not due": check_lanes,
}


@pytest.mark.parametrize("name", CALLS)
def test_plans(big_site: Site, recorder: Recorder, engine: str, name: str) -> None:
    with recorder.recording() as seen:
        CALLS[name](big_site)
    # The tests' own looks are not the queue's.
    own = [each for each in seen if not each.sql.startswith("SELECT id FROM tasks WHERE")]
    (check_sqlite if engine == "sqlite" else check_mariadb)(own)


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
@pytest.mark.parametrize("name", ["a slot is free", "a release", "nothing"])
def test_few_rows_are_read(big_site: Site, name: str) -> None:
    _claim(big_site)
    if name == "a slot is free":
        _complete(big_site, held(big_site, "k20"))
    elif name == "a release":
        settle(big_site, [Release(LeaseRef(held(big_site, "k21"), "holder", None))])
    before = rows_read(big_site)
    assert len(_claim(big_site)) == (name != "nothing")
    assert rows_read(big_site) - before <= MOST_ROWS


def test_other_limits_of_a_type_with_many_tasks(big_site: Site, engine: str) -> None:
    """They count when the call is over, or as soon as upkeep has put the rest in order."""
    task_types.register(big_site, "keyed", "1", {}, {"max_per_key": 3})
    type_row = task_types.get(big_site, "keyed")
    assert not type_row["is_paused"]
    found = []
    while taken := _claim(big_site):
        found += taken
    assert len(found) >= KEYS
    task_types.register(big_site, "keyed", "1", {}, {"max_per_key": 2})
    assert _claim(big_site) == []
