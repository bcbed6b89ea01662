"""Many tasks are changed while others claim, settle or delete the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.queue import bulk
from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.bulk import BulkRequest, change_many
from app.queue.cancel import CANCEL
from app.queue.claim import ClaimRequest
from app.queue.delete import DELETE
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.retry import RETRY
from app.queue.settle import Completion, Failure, settle
from app.queue.task_action import TaskAction
from app.site import Site
from tests.support.queue import register

TASKS = 300


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that rivals meet often."""
    monkeypatch.setattr(bulk, "BATCH", 10)


def fill(site: Site) -> list[int]:
    register(site, "job")
    tasks = [NewTask("job", {"n": n}, tags=["t"]) for n in range(TASKS)]
    return [each.id for each in creating.create(site, tasks)]


def fail_all(site: Site) -> None:
    while work_once(site, "w", lambda lease_ref: Failure(lease_ref, "e", None, False)):
        pass


def work_once(site: Site, worker: str, outcome: Callable[[LeaseRef], Any]) -> int:
    """Claim ten and settle them; how many those were."""
    tasks = claiming.claim(site, ClaimRequest(worker, 10, 3600)).tasks
    if not tasks:
        return 0
    settled = settle(
        site, [outcome(LeaseRef(task["id"], worker, task["attempts"])) for task in tasks]
    )
    assert [each.refusal for each in settled] == [None] * len(tasks)
    return len(tasks)


def change_all(site: Site, action: TaskAction) -> int:
    """Go through all tasks, in several calls; how many were changed."""
    changed, before_id = 0, None
    while True:
        result = change_many(site, action, BulkRequest(None, {"type": "job"}, 30, before_id))
        changed += result.changed
        if not result.remaining.total:
            return changed
        before_id = result.next_before_id


def at_once(*works: Callable[[], int]) -> list[int]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [each.result() for each in [pool.submit(work) for work in works]]


def rows(site: Site, sql: str) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, {}))


def statuses(site: Site) -> Counter[str]:
    return Counter(row["status"] for row in rows(site, "SELECT status FROM tasks"))


def history(site: Site) -> dict[int, list[str]]:
    """The messages or statuses of each task's history."""
    found: dict[int, list[str]] = {}
    for row in rows(site, "SELECT task_id, status, message FROM task_history ORDER BY id"):
        found.setdefault(row["task_id"], []).append(row["message"] or row["status"])
    return found


def test_a_retry_beside_workers(site: Site) -> None:
    ids = fill(site)
    fail_all(site)

    def work(worker: str) -> int:
        done = 0
        for _ in range(40):
            done += work_once(site, worker, lambda lease_ref: Completion(lease_ref, "1"))
        return done

    retried, one, two = at_once(
        lambda: change_all(site, RETRY), lambda: work("w1"), lambda: work("w2")
    )
    while done := work_once(site, "w", lambda lease_ref: Completion(lease_ref, "1")):
        one += done
    assert (retried, one + two) == (TASKS, TASKS)
    assert statuses(site) == {"completed": TASKS}
    told = ["pending", "claimed", "e", "retry", "claimed", "completed"]
    assert history(site) == dict.fromkeys(ids, told)


def test_two_retries(site: Site) -> None:
    ids = fill(site)
    fail_all(site)
    changed = at_once(*[lambda: change_all(site, RETRY)] * 2)
    assert sum(changed) == TASKS
    assert statuses(site) == {"pending": TASKS}
    assert history(site) == {each: ["pending", "claimed", "e", "retry"] for each in ids}


def test_two_deletes(site: Site) -> None:
    fill(site)
    changed = at_once(*[lambda: change_all(site, DELETE)] * 2)
    assert sum(changed) == TASKS
    for table in ("tasks", "task_history", "task_tags"):
        assert rows(site, f"SELECT * FROM {table}") == []


def test_a_cancel_beside_workers(site: Site) -> None:
    fill(site)

    def work(worker: str) -> int:
        done = 0
        while count := work_once(site, worker, lambda lease_ref: Completion(lease_ref, "1")):
            done += count
        return done

    changed, one, two = at_once(
        lambda: change_all(site, CANCEL), lambda: work("w1"), lambda: work("w2")
    )
    ended = statuses(site)
    assert set(ended) <= {"cancelled", "completed"}
    assert ended["completed"] == one + two
    # Those that were claimed may have completed all the same.
    assert ended["cancelled"] <= changed <= TASKS
    told = {("pending", "cancelled"), ("pending", "claimed", "completed")}
    assert {tuple(each) for each in history(site).values()} <= told


def test_a_delete_beside_workers(site: Site) -> None:
    """Tasks that are claimed at that moment stay, and nothing is left of the others."""
    ids = fill(site)

    def work() -> int:
        done = 0
        while count := work_once(site, "w1", lambda lease_ref: Completion(lease_ref, "1")):
            done += count
        return done

    changed, _ = at_once(lambda: change_all(site, DELETE), work)
    left = {row["id"] for row in rows(site, "SELECT id FROM tasks")}
    assert changed == len(ids) - len(left)
    assert set(history(site)) == left
    assert {row["task_id"] for row in rows(site, "SELECT task_id FROM task_tags")} == left
