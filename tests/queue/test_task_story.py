"""Everything of one task: attempts, events, kin, and why it waits."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import NotFound
from app.queue import cancel as cancelling
from app.queue import create, release, retry, task_types, workers
from app.queue.access import Access
from app.queue.audit import Actor
from app.queue.claim import ClaimRequest, claim
from app.queue.fencing import LeaseRef
from app.queue.leases import report_progress
from app.queue.new_task import NewTask
from app.queue.pause import pause_queue, resume_queue
from app.queue.schedules import making
from app.queue.schedules import store as schedules
from app.queue.settle import Completion, Failure, settle
from app.queue.task_story import MOST_CHILDREN, TaskStory, task_story
from app.site import Site
from tests.queue.test_round_trips import Wire
from tests.queue.test_verdict import ago, change
from tests.support.queue import register

ACTOR = Actor("key ops (#3)")
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def make(site: Site, **values: Any) -> int:
    return create.create(site, [NewTask("job", {}, dedupe=False, **values)])[0].id


def take(site: Site, worker: str = "w", lease: float = 600) -> int:
    (task,) = claim(site, ClaimRequest(worker, 1, lease)).tasks
    return int(task["id"])


def fail(site: Site, task: int, attempt: int, error: str, **options: Any) -> None:
    settle(site, [Failure(LeaseRef(task, "w", attempt), error, **options)])


def codes(story: TaskStory) -> list[str]:
    return [each.code for each in story.hindrances]


@pytest.fixture(autouse=True)
def job(site: Site) -> None:
    register(site, "job", max_attempts=3, retry_delay=0)


def test_attempts_with_their_errors(site: Site) -> None:
    task = make(site)
    for attempt in (1, 2):
        assert take(site) == task
        fail(site, task, attempt, f"error {attempt}", traceback=f"trace {attempt}")
    assert take(site) == task
    settle(site, [Completion(LeaseRef(task, "w", 3), '{"done": 1}')])
    story = task_story(site, task)
    assert [each.number for each in story.attempts] == [1, 2, 3]
    assert [each.outcome for each in story.attempts] == ["retried", "retried", "completed"]
    assert [each.error for each in story.attempts] == ["error 1", "error 2", None]
    assert {each.worker_id for each in story.attempts} == {"w"}
    for each in story.attempts:
        assert each.started_at is not None
        assert each.ended_at is not None
        assert each.started_at <= each.ended_at
        assert each.waited is not None
        assert each.seconds is not None
    assert [each.what for each in story.events] == ["created", "due", "due"]
    assert story.seconds is not None
    assert story.seconds >= 0
    assert (story.hindrances, story.lease_seconds, story.is_cut) == ([], None, False)


def test_the_traceback_is_that_of_the_last_failure(site: Site) -> None:
    task = make(site)
    long = "x" * 5000
    take(site)
    fail(site, task, 1, "first", traceback="trace 1")
    take(site)
    fail(site, task, 2, long, traceback="trace 2", retry=False)
    first, second = task_story(site, task).attempts
    assert (first.error, first.traceback, first.outcome) == ("first", None, "retried")
    assert (second.error, second.traceback, second.outcome) == (long, "trace 2", "failed")


def test_an_attempt_that_runs(site: Site) -> None:
    task = make(site)
    take(site, lease=600)
    report_progress(site, LeaseRef(task, "w", 1), 40.0, "half")
    story = task_story(site, task)
    (attempt,) = story.attempts
    assert (attempt.ended_at, attempt.outcome, attempt.seconds) == (None, None, None)
    assert 590 < (story.lease_seconds or 0) <= 600
    assert 0 <= (story.seconds or 0) < 60
    assert story.row["progress"] == 40.0


def test_a_release_and_an_expired_lease(site: Site) -> None:
    task = make(site)
    take(site)
    release.release(site, LeaseRef(task, "w", 1))
    take(site)
    change(site, f"UPDATE tasks SET due_at = {ago(site, 1)}")
    take(site)
    outcomes = [(each.number, each.outcome) for each in task_story(site, task).attempts]
    assert outcomes == [(1, "released"), (2, "expired"), (3, None)]


def test_what_people_did(site: Site) -> None:
    task = make(site)
    take(site)
    fail(site, task, 1, "e", retry=False)
    retry.retry(site, task, actor=ACTOR)
    cancelling.cancel(site, task, actor=ACTOR)
    story = task_story(site, task)
    assert [(each.what, each.actor) for each in story.events] == [
        ("created", None),
        ("retried by hand", "key ops (#3)"),
        ("cancelled", "key ops (#3)"),
    ]
    some = task_story(site, task, Access(1, "some", ["read"], ["job"]))
    assert [(each.what, each.actor) for each in some.events] == [
        ("created", None),
        ("retried by hand", None),
        ("cancelled", None),
    ]


def test_a_worker_that_was_asked_to_stop(site: Site) -> None:
    task = make(site)
    take(site)
    cancelling.cancel(site, task, actor=ACTOR)
    events = task_story(site, task).events
    assert [(each.what, each.actor) for each in events] == [
        ("created", None),
        ("cancel asked", "key ops (#3)"),
    ]


def test_parent_and_children(site: Site) -> None:
    parent = make(site)
    child = make(site, parent_id=parent, traceparent=TRACE)
    grandchild = make(site, parent_id=child)
    story = task_story(site, child)
    assert (story.parent or {})["id"] == parent
    assert [each["id"] for each in story.children] == [grandchild]
    assert story.children[0]["type"] == "job"
    assert story.trace_id == "a" * 32
    assert task_story(site, parent).trace_id is None
    change(site, f"DELETE FROM tasks WHERE id = {parent}")
    orphan = task_story(site, child)
    assert (orphan.parent, orphan.row["parent_id"]) == (None, parent)


def test_many_children(site: Site) -> None:
    parent = make(site)
    made = create.create(
        site,
        [NewTask("job", {}, dedupe=False, parent_id=parent) for _ in range(MOST_CHILDREN + 9)],
    )
    children = [each["id"] for each in task_story(site, parent).children]
    assert children == sorted((each.id for each in made), reverse=True)[: MOST_CHILDREN + 1]


def test_kin_of_other_types_are_hidden_from_a_key(site: Site) -> None:
    register(site, "hidden")
    (other,) = create.create(site, [NewTask("hidden", {})])
    task = make(site, parent_id=other.id)
    create.create(site, [NewTask("hidden", {"n": 1}, parent_id=task)])
    access = Access(1, "some", ["read"], ["job"])
    assert task_story(site, task).parent is not None
    story = task_story(site, task, access)
    assert (story.parent, story.children) == (None, [])
    with pytest.raises(NotFound):
        task_story(site, other.id, access)


def test_the_schedule_that_made_it(site: Site) -> None:
    schedules.put(site, "nightly", {"type": "job", "params": {}, "every": 3600.0})
    (row,) = schedules.list_all(site)
    assert task_story(site, making.run_now(site, row)).schedule == "nightly"
    assert task_story(site, make(site, tags=["schedule:unknown"])).schedule is None
    assert task_story(site, make(site)).schedule is None


def test_why_it_waits(site: Site) -> None:
    first = make(site)
    task = make(site)
    assert codes(task_story(site, task)) == ["no_worker", "others_first"]
    workers.register(site, "w", {})
    assert codes(task_story(site, first)) == []
    (others,) = task_story(site, task).hindrances
    assert (others.code, others.values) == ("others_first", {"count": 1, "is_capped": False})
    make(site, priority=5)
    assert task_story(site, task).hindrances[0].values["count"] == 2
    task_types.set_paused(site, "job", True)
    pause_queue(site)
    assert codes(task_story(site, first)) == ["queue_paused", "type_paused", "others_first"]
    task_types.set_paused(site, "job", False)
    resume_queue(site)
    register(site, "job", max_running=1)
    take(site)
    full = task_story(site, first).hindrances[0]
    assert (full.code, full.values) == ("type_full", {"running": 1, "max_running": 1})


def test_a_task_whose_time_is_to_come(site: Site) -> None:
    workers.register(site, "w", {})
    task = make(site, delay=600)
    (due,) = task_story(site, task).hindrances
    assert due.code == "not_due"
    assert 590 < due.values["seconds"] <= 600
    assert due.values["after_failure"] is False
    register(site, "job", max_attempts=3, retry_delay=300, retry_max_delay=300)
    other = make(site)
    take(site)
    fail(site, other, 1, "e")
    (again,) = task_story(site, other).hindrances
    assert (again.code, again.values["after_failure"]) == ("not_due", True)


def test_unknown_tasks(site: Site) -> None:
    with pytest.raises(NotFound):
        task_story(site, 10**9)


def test_round_trips(mariadb_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register(mariadb_site, "job")
    task = make(mariadb_site)
    wire = Wire(monkeypatch)
    assert wire.count(lambda: task_story(mariadb_site, task))[0] == 2
