"""Whether all is well with a queue, and what is wrong with it if not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.queue import create, run_lock, task_types, workers
from app.queue import verdict as rules
from app.queue.access import Access
from app.queue.claim import ClaimRequest, claim
from app.queue.eligible_types import Filter
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.pause import RESUMED_AT, pause_queue, resume_queue
from app.queue.schedules import store as schedules
from app.queue.settle import Completion, Failure, settle
from app.queue.statistics import reading
from app.queue.verdict import SEVERITIES, Trouble
from app.queue.verdict_facts import verdict
from app.site import Site
from app.verdict_text import TEXTS, text_of
from app.version import SCHEMA_VERSION
from tests.support.queue import register, site_at


@pytest.fixture(autouse=True)
def no_times(site: Site) -> None:
    """On MariaDB, ``settings`` outlives a test."""
    change(site, f"DELETE FROM settings WHERE name IN ('{run_lock.ROW}', '{RESUMED_AT}')")


def make(site: Site, type_name: str, count: int = 1) -> list[int]:
    tasks = [NewTask(type_name, {"n": n}, dedupe=False) for n in range(count)]
    return [each.id for each in create.create(site, tasks)]


def take(site: Site, worker: str = "w", limit: int = 100, lease: float = 600) -> list[int]:
    return [task["id"] for task in claim(site, ClaimRequest(worker, limit, lease)).tasks]


def end(site: Site, failed: int, completed: int, error: str = "no connection") -> None:
    """Tasks that are claimed now."""
    ids = take(site)
    assert len(ids) == failed + completed
    outcomes: list[Any] = [
        Failure(LeaseRef(each, "w", 1), error, retry=False) for each in ids[:failed]
    ]
    outcomes += [Completion(LeaseRef(each, "w", 1), None) for each in ids[failed:]]
    settle(site, outcomes)


def change(site: Site, sql: str) -> None:
    site.db.run(lambda connection: connection.send([(sql, {})]))


def ago(site: Site, seconds: float) -> str:
    return site.db.dialect.after(str(-seconds))


def note_run(
    site: Site, schedule_id: int, seconds: float, task_id: int | None, message: str | None
) -> None:
    insert = (
        "INSERT INTO schedule_runs (schedule_id, due_at, made_at, task_id, message) VALUES "
        f"(:schedule, {ago(site, seconds)}, {ago(site, seconds)}, :task, :message)"
    )
    values = {"schedule": schedule_id, "task": task_id, "message": message}
    site.db.run(lambda connection: connection.send([(insert, values)]))


def told(site: Site, access: Access | None = None) -> dict[str, Trouble]:
    """The troubles by their codes. Each can be said in sentences."""
    found = verdict(site, access)
    for each in found.troubles:
        what, todo = text_of(each)
        assert what.endswith((".", "”."))
        assert todo.endswith(".")
    assert found.is_well == all(each.severity == "notice" for each in found.troubles)
    ranks = [SEVERITIES.index(each.severity) for each in found.troubles]
    assert ranks == sorted(ranks)
    return {each.code: each for each in found.troubles}


def test_an_empty_queue_is_well(site: Site) -> None:
    found = verdict(site)
    assert (found.is_well, found.troubles) == (True, [])
    assert len(found.as_of) >= len("2026-01-01 00:00:00")


def test_a_queue_that_is_worked_on_is_well(site: Site) -> None:
    register(site, "job")
    make(site, "job", 20)
    end(site, failed=0, completed=20)
    make(site, "job", 3)
    assert told(site) == {}


def test_a_task_that_waits_where_no_worker_ever_was(site: Site) -> None:
    register(site, "job")
    make(site, "job", 2)
    assert told(site) == {}
    change(site, f"UPDATE tasks SET created_at = {ago(site, 3600)}, ready_at = NULL")
    troubles = told(site)
    assert list(troubles) == ["never_a_worker", "oldest_due"]
    assert troubles["never_a_worker"].values == {"waiting": 2}
    assert troubles["oldest_due"].values["limit"] == 900.0
    assert troubles["oldest_due"].values["seconds"] == pytest.approx(3600, abs=60)
    assert text_of(troubles["never_a_worker"])[0] == (
        "2 tasks wait, and no worker has ever been seen."
    )


def test_a_paused_queue(site: Site) -> None:
    """What waits then waits on purpose, and what waited has time afterwards."""
    register(site, "job")
    make(site, "job", 2)
    workers.register(site, "w", {})
    change(site, f"UPDATE tasks SET created_at = {ago(site, 3600)}, ready_at = NULL")
    pause_queue(site)
    troubles = told(site)
    assert list(troubles) == ["queue_paused"]
    assert (troubles["queue_paused"].severity, troubles["queue_paused"].values["waiting"]) == (
        "warning",
        2,
    )
    resume_queue(site)
    assert told(site) == {}
    change(site, f"UPDATE settings SET value = {ago(site, 1000)} WHERE name = '{RESUMED_AT}'")
    assert list(told(site)) == ["oldest_due"]


def test_neither_cron_nor_a_web_run(site: Site) -> None:
    register(site, "job")
    workers.register(site, "w", {})
    assert verdict(site, cron_age=None).troubles == []
    assert verdict(site, cron_age=60.0).troubles == []
    (trouble,) = verdict(site, cron_age=7200.0).troubles
    assert (trouble.code, trouble.severity, trouble.values) == (
        "unattended",
        "warning",
        {"seconds": 7200.0},
    )
    assert run_lock.take(site, 1)
    run_lock.give_back(site)
    assert verdict(site, cron_age=7200.0).troubles == []
    access = Access(1, "some", ["read"], ["job"])
    change(site, f"UPDATE settings SET value = {ago(site, 5000)} WHERE name = '{run_lock.ROW}'")
    assert [each.code for each in verdict(site).troubles] == ["unattended"]
    assert verdict(site, access).troubles == []


def test_workers_that_are_gone(site: Site) -> None:
    register(site, "job")
    workers.register(site, "w", {})
    change(site, f"UPDATE workers SET last_seen_at = {ago(site, 7200)}")
    assert told(site) == {}  # nothing waits for one
    make(site, "job")
    troubles = told(site)
    assert list(troubles) == ["no_worker"]
    assert troubles["no_worker"].severity == "critical"
    assert troubles["no_worker"].values["seconds"] == pytest.approx(7200, abs=60)
    assert text_of(troubles["no_worker"])[0] == "No worker has been seen for 2 h, and 1 task waits."


def test_a_worker_that_is_silent_and_holds_tasks(site: Site) -> None:
    register(site, "job")
    make(site, "job", 3)
    take(site, "quiet", 2, lease=1000)
    take(site, "lively", 1)
    change(site, f"UPDATE workers SET last_seen_at = {ago(site, 400)} WHERE id = 'quiet'")
    assert told(site) == {}  # it may renew its leases that seldom
    change(site, f"UPDATE workers SET last_seen_at = {ago(site, 600)} WHERE id = 'quiet'")
    trouble = told(site)["silent_worker"]
    assert (trouble.about, trouble.severity) == (("worker", "quiet"), "warning")
    assert trouble.values["held"] == 2
    assert trouble.values["seconds"] == pytest.approx(600, abs=60)


def test_a_type_that_fails(site: Site) -> None:
    for name in ("mail", "other"):
        register(site, name)
    make(site, "mail", 20)
    end(site, failed=2, completed=18)
    assert told(site) == {}  # too few
    make(site, "mail", 10)
    end(site, failed=2, completed=8)
    make(site, "other", 30)
    end(site, failed=1, completed=29)
    troubles = told(site)
    assert list(troubles) == ["type_failing"]
    trouble = troubles["type_failing"]
    assert (trouble.about, trouble.severity) == (("type", "mail"), "warning")
    assert (trouble.values["failed"], trouble.values["ended"]) == (4, 30)
    assert trouble.values["error"] == "no connection"
    assert trouble.values["error_group"] is not None
    assert text_of(trouble)[0] == (
        "mail is failing: 4 of the 30 tasks that ended within the last hour. "
        "Most say “no connection”."
    )


def test_a_type_of_which_most_fail_is_critical(site: Site) -> None:
    register(site, "mail")
    make(site, "mail", 20)
    end(site, failed=11, completed=9)
    assert told(site)["type_failing"].severity == "critical"


def test_types_that_hold_their_tasks(site: Site) -> None:
    """One task of each type runs or has run, one waits."""
    for name, most in (("full", 1), ("paused", None), ("inactive", None)):
        register(site, name, max_running=most)
        make(site, name, 2)
        claim(site, ClaimRequest("w", types=Filter(task_types=[name])))
    task_types.set_paused(site, "paused", True)
    task_types.set_active(site, "inactive", False)
    troubles = told(site)
    assert {code: each.about for code, each in troubles.items()} == {
        "type_paused": ("type", "paused"),
        "type_full": ("type", "full"),
        "type_inactive": ("type", "inactive"),
    }
    assert verdict(site).is_well
    assert troubles["type_full"].values == {"waiting": 1, "max_running": 1}
    assert troubles["type_paused"].values == {"waiting": 1}


def test_schedules(site: Site) -> None:
    register(site, "job")
    values = {"type": "job", "params": {}, "every": 3600.0}
    for name in ("late", "left out", "missed", "failed", "fine", "paused"):
        schedules.put(site, name, values)
    change(site, f"UPDATE schedules SET next_at = {ago(site, 1200)} WHERE name = 'late'")
    (task,) = make(site, "job")
    change(site, f"UPDATE tasks SET status = 'failed' WHERE id = {task}")
    ids = {row["name"]: row["id"] for row in schedules.list_all(site)}
    for name, task_id, message in (
        ("left out", None, "could not be made: the type is gone"),
        ("missed", 0, "missed 3 times"),
        ("failed", task, None),
        ("paused", None, "could not be made"),
    ):
        note_run(site, ids[name], 60, task_id, message)
    schedules.set_paused(site, "paused", True)
    found = verdict(site).troubles
    assert {(each.code, each.about) for each in found} == {
        ("schedule_overdue", ("schedule", "late")),
        ("schedule_made_nothing", ("schedule", "left out")),
        ("schedule_missed", ("schedule", "missed")),
        ("schedule_task_failed", ("schedule", "failed")),
    }
    told_of = {each.code: text_of(each)[0] for each in found}
    assert told_of["schedule_made_nothing"] == (
        "The schedule left out made no task at its last time: could not be made: the type is gone."
    )


def test_what_happened_to_a_schedule_days_ago_is_not_told(site: Site) -> None:
    register(site, "job")
    schedules.put(site, "s", {"type": "job", "params": {}, "every": 864000.0})
    (schedule,) = schedules.list_all(site)
    note_run(site, schedule["id"], 90000, None, "could not be made")
    assert told(site) == {}


@pytest.mark.usefixtures("no_upkeep")
def test_tasks_that_are_kept_too_long(database_url: str) -> None:
    site = site_at(database_url, RETAIN_COMPLETED_DAYS=1)
    register(site, "job")
    register(site, "other", retention={"completed": None})
    make(site, "job", 19)
    make(site, "other", 5)
    end(site, failed=0, completed=24)
    change(site, f"UPDATE tasks SET completed_at = {ago(site, 10 * 86400)}")
    assert told(site) == {}
    make(site, "job", 1)
    end(site, failed=0, completed=1)
    change(site, f"UPDATE tasks SET completed_at = {ago(site, 10 * 86400)}")
    assert told(site)["retention_behind"].about == ("status", "completed")
    site.db.close()


def test_statistics_that_lag_behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    register(site, "job")
    make(site, "job", 5)
    monkeypatch.setattr(reading, "LONG_TAIL", -1)
    assert list(told(site)) == ["statistics_behind"]


def test_without_a_history(database_url: str) -> None:
    site = site_at(database_url, ENABLE_TASK_HISTORY=False)
    register(site, "job")
    make(site, "job", 20)
    end(site, failed=20, completed=0)
    assert told(site) == {}
    site.db.close()


def test_tables_of_an_earlier_version(site: Site) -> None:
    verdict(site)
    earlier = SCHEMA_VERSION - 1
    change(site, f"UPDATE settings SET value = '{earlier}' WHERE name = 'schema_version'")
    try:
        troubles = told(site)
    finally:
        change(
            site, f"UPDATE settings SET value = '{SCHEMA_VERSION}' WHERE name = 'schema_version'"
        )
    assert list(troubles) == ["old_tables"]
    assert troubles["old_tables"].values == {"found": earlier, "needed": SCHEMA_VERSION}


def test_a_key_for_some_types_learns_of_these_alone(site: Site) -> None:
    for name in ("mail.a", "shop.b"):
        register(site, name)
        make(site, name, 20)
        end(site, failed=11, completed=9)
        make(site, name)
        task_types.set_paused(site, name, True)
    for name in ("mail.a", "shop.b"):
        schedules.put(site, name, {"type": name, "params": {}, "every": 60.0})
    take(site, "silent", 1)
    change(site, f"UPDATE workers SET last_seen_at = {ago(site, 90000)} WHERE id = 'silent'")
    change(site, f"UPDATE schedules SET next_at = {ago(site, 1200)}")
    access = Access(1, "mails", ["read"], ["mail.%"])
    found = verdict(site, access).troubles
    assert {(each.code, each.about) for each in found} == {
        ("type_failing", ("type", "mail.a")),
        ("schedule_overdue", ("schedule", "mail.a")),
        ("type_paused", ("type", "mail.a")),
    }


def test_every_code_has_its_sentences() -> None:
    source = Path(rules.__file__).read_text("utf-8")
    codes = set(re.findall(r'Trouble\(\s*"(\w+)"', source))
    assert codes == set(TEXTS)
