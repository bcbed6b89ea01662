"""Rolling up: each row of the history once, when it is certain that no earlier one is to come."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.settle import Completion, settle
from app.queue.statistics import marks, old_steps, recount, roll_up
from app.queue.statistics.changes import LOOKS_BACK
from app.queue.statistics.reading import read
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.queue.statistics.clients import roll_up_all
from tests.queue.statistics.random_calls import RandomCalls, check_counts, stored_counts
from tests.support.queue import register, site_at


def rows(site: Site, sql: str) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, {}))


def new_tasks(site: Site, count: int, **options: Any) -> list[int]:
    register(site, "job")
    tasks = [NewTask("job", {}, dedupe=False, **options) for _ in range(count)]
    return [each.id for each in create(site, tasks)]


def complete_one(site: Site) -> None:
    (task,) = claim(site, ClaimRequest("w", 1, 60)).tasks
    settle(site, [Completion(LeaseRef(task["id"], "w", 1), None)])


def found_marks(site: Site) -> marks.Marks:
    return marks.Marks(rows(site, marks.LOOK[0]))


def newest(site: Site) -> int:
    return int(rows(site, "SELECT MAX(id) AS id FROM task_history")[0]["id"])


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_young_rows_wait(site: Site) -> None:
    new_tasks(site, 1)
    roll_up_all(site)
    before = found_marks(site).rolled_up_to
    new_tasks(site, 1)
    roll_up_all(site)
    assert found_marks(site).rolled_up_to == before
    sql = f"UPDATE task_history SET created_at = {site.db.dialect.after('-3')}"
    site.db.run(lambda connection: connection.send([(sql, {})]))
    roll_up_all(site)
    assert found_marks(site).rolled_up_to == newest(site)


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_rows_wait_for_an_earlier_one_that_is_not_committed(site: Site, database_url: str) -> None:
    """However long its transaction takes."""
    _, slow = new_tasks(site, 2)
    roll_up_all(site)
    before = found_marks(site).rolled_up_to
    other = site_at(database_url)

    def cancel_slowly(connection: Any) -> None:
        connection.begin(
            [
                (f"UPDATE tasks SET status = 'cancelled' WHERE id = {slow}", {}),
                (
                    "INSERT INTO task_history (task_id, status, attempt, created_at) "
                    f"VALUES ({slow}, 'cancelled', 0, '2020-01-01')",
                    {},
                ),
            ]
        )
        complete_one(site)
        roll_up_all(site)
        assert found_marks(site).rolled_up_to == before
        check_counts(site)
        connection.commit([])

    other.db.run(cancel_slowly)
    other.db.close()
    roll_up_all(site)
    assert found_marks(site).rolled_up_to == newest(site)
    assert check_counts(site).counts == stored_counts(site)


@pytest.mark.usefixtures("no_wait")
def test_pieces_come_to_the_same_as_all_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ("task_counts", "task_activity", "worker_activity", "error_groups")

    def told() -> list[Any]:
        return [
            [{k: v for k, v in row.items() if k != "total_seconds"} for row in rows(site, sql)]
            for sql in (f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4" for table in tables)
        ]

    calls = RandomCalls(site, 1, deletes=False)
    calls.prepare()
    for _ in range(100):
        calls.call()
    roll_up_all(site)
    at_once = told()
    for table in tables:
        rows(site, f"DELETE FROM {table}")
    rows(site, f"DELETE FROM settings WHERE name = '{marks.ROLLED_UP_TO}'")
    monkeypatch.setattr(roll_up, "PIECE", 3)
    roll_up_all(site)
    assert told() == at_once


@pytest.mark.usefixtures("no_wait")
class TestRecount:
    def damage(self, site: Site) -> None:
        rows(site, "UPDATE task_counts SET total = total + 7")

    def test_puts_counts_right(self, site: Site) -> None:
        new_tasks(site, 3)
        complete_one(site)
        roll_up_all(site)
        complete_one(site)
        self.damage(site)
        site.db.run(lambda connection: recount.recount(connection, 0.0))
        check_counts(site)
        roll_up_all(site)
        assert check_counts(site).counts == stored_counts(site)

    @pytest.mark.parametrize(
        ("age", "seconds", "is_done"),
        [(86300, 0.5, False), (86500, 0.5, True), (86500, 1.5, False), (-100, 0.5, True)],
        ids=["not yet", "after a day", "not if it takes long", "after the clock was set back"],
    )
    def test_is_done_once_a_day(
        self, site: Site, age: float, seconds: float, is_done: bool
    ) -> None:
        new_tasks(site, 1)
        roll_up_all(site)
        self.damage(site)
        at = rows(site, f"SELECT {site.db.dialect.after(str(-age))} AS at")[0]["at"]
        sql = f"UPDATE settings SET value = '{at} {seconds}' WHERE name = '{marks.RECOUNTED}'"
        rows(site, sql)
        roll_up_all(site)
        assert (sum(stored_counts(site).values()) == 1) is is_done

    def test_is_done_after_an_earlier_version_served(self, site: Site) -> None:
        """It wakes scheduled tasks without a word, and tells of none how long it waited."""
        (task,) = new_tasks(site, 1, delay=1000)
        roll_up_all(site)
        for sql in (
            "UPDATE tasks SET status = 'claimed', attempts = 1, claimed_by = 'w', due_at = NULL",
            "INSERT INTO task_history (task_id, status, worker_id, attempt, created_at) "
            f"VALUES ({task}, 'claimed', 'w', 1, {site.db.dialect.now})",
        ):
            rows(site, sql)
        roll_up_all(site)
        assert check_counts(site).counts == stored_counts(site)

    def test_is_done_once_for_all_that_an_earlier_version_left(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each time adds up what is left: done after each piece, much history took minutes."""
        new_tasks(site, 1)
        roll_up_all(site)
        (task_id,) = new_tasks(site, 1)
        claimed = (
            "INSERT INTO task_history (task_id, status, worker_id, attempt, created_at) "
            f"VALUES ({task_id}, 'claimed', 'w', 1, '2020-01-01 00:00:00.000')"
        )
        site.db.run(lambda connection: connection.send([(claimed, {})] * 100))
        times = []
        count_again = roll_up.recount
        monkeypatch.setattr(roll_up, "recount", lambda *args: times.append(count_again(*args)))
        monkeypatch.setattr(roll_up, "PIECE", 50)
        roll_up.roll_up(site, Budget(None))
        assert len(times) == 1
        assert found_marks(site).rolled_up_to == newest(site)
        assert check_counts(site).counts == stored_counts(site)

    def test_is_not_missed_by_readers_who_come_first(self, site: Site) -> None:
        """What is rolled up may be wrong until then: they count the tasks themselves."""
        new_tasks(site, 2)
        roll_up_all(site)
        self.damage(site)
        doubt = marks.store(site.db.dialect, marks.RECOUNTED, marks.DOUBTED)
        site.db.run(lambda connection: connection.send([doubt]))
        found = read(site)
        assert list(found.counts.values()) == [2]

    def test_is_done_where_very_much_was_left(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recount, "LONGEST_TAIL", 20)
        monkeypatch.setattr(recount, "HEAD_START", 5)
        new_tasks(site, 1)
        roll_up_all(site)
        new_tasks(site, 50)
        roll_up_all(site)
        assert check_counts(site).counts == stored_counts(site)
        created = "SELECT SUM(total) AS total FROM task_activity WHERE event = 'created'"
        told = rows(site, f"{created} AND step_seconds = 60 AND type_id = 0")
        assert told[0]["total"] == 6

    def test_of_a_queue_of_an_earlier_version(self, site: Site) -> None:
        """There, the history says "pending" of scheduled tasks."""
        new_tasks(site, 3)
        later = new_tasks(site, 3, delay=1000)
        complete_one(site)
        rows(site, "UPDATE task_history SET status = 'pending' WHERE status = 'scheduled'")
        rows(site, "UPDATE task_history SET waited = NULL")
        roll_up_all(site)
        assert check_counts(site).counts == stored_counts(site)
        past = site.db.dialect.after("-1")
        rows(site, f"UPDATE tasks SET due_at = {past} WHERE id = {later[0]}")
        complete_one(site)
        roll_up_all(site)
        assert check_counts(site).counts == stored_counts(site)


def test_old_steps_are_removed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_steps, "PIECE", 3)
    for table, own, step, hours in (
        ("task_activity", "type_id", 60, (1, 2, 4, 5)),
        ("task_activity", "type_id", 900, (1, 71, 73, 100)),
        ("task_activity", "type_id", 3600, (1, 24 * 30, 24 * 32, 24 * 99)),
        ("worker_activity", "worker_id", 900, (1, 47, 49, 99)),
    ):
        for hour in hours:
            started_at = site.db.dialect.after(str(-3600 * hour))
            for bucket in range(4):
                rows(
                    site,
                    f"INSERT INTO {table} (step_seconds, started_at, {own}, event, bucket, total, "
                    f"total_seconds) VALUES ({step}, {started_at}, 1, 'claimed', {bucket}, 1, 1)",
                )
    assert old_steps.remove_old_steps(site, Budget(0))
    assert not old_steps.remove_old_steps(site, Budget(60))
    for table, left in (("task_activity", 3 * 2 * 4), ("worker_activity", 2 * 4)):
        assert rows(site, f"SELECT COUNT(*) AS n FROM {table}") == [{"n": left}]


def test_groups_without_tasks_are_removed(site: Site) -> None:
    register(site, "job")
    for group, age in ((1, 100), (2, 90_000), (3, 90_000)):
        at = site.db.dialect.after(str(-age))
        rows(
            site,
            "INSERT INTO error_groups (type_id, error_group, error, sample_id, first_at, last_at) "
            f"VALUES (1, {group}, 'x', 1, {at}, {at})",
        )
    rows(site, "INSERT INTO task_counts VALUES (1, 'failed', 3, 5)")
    old_steps.remove_old_steps(site, Budget(60))
    left = rows(site, "SELECT error_group FROM error_groups ORDER BY error_group")
    assert [row["error_group"] for row in left] == [1, 3]


def test_only_two_kinds_of_changes_look_back() -> None:
    """All others say by themselves what a task was before: a row needs no other row."""
    assert LOOKS_BACK.count("h.status") == 2
