"""Jobs that failed and wait for their next attempt, found among very many scheduled ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.api.dispatch import handle
from app.api.request import Request
from app.queue import release, waiting_again
from app.queue.cancel import cancel
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.retry import retry
from app.queue.settle import Failure, settle
from app.site import Site
from tests.queue.test_plans import NUMBERS, rows_read
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.queue import register, site_at

SCHEDULED = 50_000
FEW_ROWS = 5000
"""Entries of two indexes, to see which is shorter, and a page."""


@pytest.fixture
def site(mariadb: DatabaseServer, tmp_path: Any, request: pytest.FixtureRequest) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path / 'q.sqlite3'}"
    if request.param == "mariadb":
        url = mariadb_with_tables(mariadb, "tm_waiting_again")
    site = site_at(url, REQUIRE_AUTH=False, API_KEY="")
    register(site, "mail", max_attempts=9)
    yield site
    site.db.close()


on_both = pytest.mark.parametrize("site", ["mariadb", "sqlite"], indirect=True)


def failed_once(site: Site) -> int:
    """A task that waits for its second attempt."""
    create(site, [NewTask("mail", {}, dedupe=False)])
    (task,) = claim(site, ClaimRequest("w", 1, 60)).tasks
    settle(site, [Failure(LeaseRef(task["id"], "w", 1), "not now", delay=600)])
    return int(task["id"])


def listed(site: Site, query: dict[str, str]) -> list[int]:
    response = handle(Request("GET", "/v1/jobs", query), site)
    assert response.status == 200
    return [int(each["id"]) for each in response.payload]


def plainly_listed(site: Site) -> list[int]:
    sql = (
        "SELECT id FROM tasks WHERE status IN ('pending', 'blocked', 'throttled') "
        "OR status = 'scheduled' AND attempts > releases ORDER BY id DESC"
    )
    return [row["id"] for row in site.db.run(lambda connection: connection.query(sql, {}))]


def noted(site: Site) -> list[int]:
    sql = "SELECT task_id FROM task_errors WHERE error_group = 0 ORDER BY task_id"
    return [row["task_id"] for row in site.db.run(lambda connection: connection.query(sql, {}))]


def execute(site: Site, sql: str) -> None:
    site.db.run(lambda connection: connection.send([(sql, {})]))


@pytest.mark.parametrize("site", ["mariadb"], indirect=True)
@pytest.mark.parametrize("query", [{}, {"queue_name": "mail"}, {"created_after": "2026-01-01"}])
def test_a_list_of_pending_jobs_reads_few_rows(
    site: Site, mariadb: DatabaseServer, query: dict[str, str]
) -> None:
    old = failed_once(site)
    mariadb.client(
        "INSERT INTO tasks (type_id, status, urgency, due_at, attempts, max_attempts, "
        "cancel_requested, created_at, params_json) SELECT 1, 'scheduled', 0, "
        "UTC_TIMESTAMP(3) + INTERVAL 1 DAY, 0, 3, 0, UTC_TIMESTAMP(3), '{}' "
        f"FROM ({NUMBERS}) AS numbers WHERE n BETWEEN 1 AND {SCHEDULED}; ANALYZE TABLE tasks",
        "tm_waiting_again",
    )
    newer = failed_once(site)
    create(site, [NewTask("mail", {}, dedupe=False)])
    pending = {"status": "pending", **query}
    newest = newer + 1
    assert listed(site, pending) == [newest, newer, old] == plainly_listed(site)
    before = rows_read(site)
    listed(site, pending)
    assert rows_read(site) - before < FEW_ROWS


@on_both
def test_whoever_stops_waiting_is_forgotten(site: Site) -> None:
    retried, cancelled, promoted, waits = (failed_once(site) for _ in range(4))
    assert noted(site) == [retried, cancelled, promoted, waits]
    retry(site, retried)
    cancel(site, cancelled)
    now = site.db.dialect.now
    execute(site, f"UPDATE tasks SET due_at = {now} WHERE id = {promoted}")
    claim(site, ClaimRequest("w", 1, 60))
    assert noted(site) == [waits]


@on_both
def test_a_release_with_a_delay_after_a_failure(site: Site) -> None:
    failed = failed_once(site)
    retry(site, failed)
    claim(site, ClaimRequest("w", 1, 60))
    release.release(site, LeaseRef(failed, "w", 2), delay=600)
    create(site, [NewTask("mail", {}, dedupe=False)])
    (fresh,) = claim(site, ClaimRequest("w", 1, 60)).tasks
    release.release(site, LeaseRef(fresh["id"], "w", 1), delay=600)
    assert noted(site) == [failed] == plainly_listed(site) == listed(site, {"status": "pending"})


@on_both
def test_those_that_an_earlier_version_left_waiting(site: Site) -> None:
    waits = failed_once(site)
    execute(site, "DELETE FROM task_errors")
    assert listed(site, {"status": "pending"}) == [waits]
    execute(site, "DELETE FROM task_errors")
    waiting_again.note_all_once(site)
    assert noted(site) == []


@on_both
def test_jobs_that_a_limit_holds_back_are_pending(site: Site) -> None:
    register(site, "slow", rate={"tasks": 1, "seconds": 3600})
    tasks = create(site, [NewTask("slow", {}, dedupe=False) for _ in range(3)])
    assert listed(site, {"status": "pending"}) == [each.id for each in reversed(tasks)]
