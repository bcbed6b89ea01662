"""Retention: what is pruned when, and what is left of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.db.connection import Connection
from app.errors import Conflict, NotFound, TryAgain
from app.queue import cancel, create, delete, find_task, retry, settle, task_types
from app.queue.claim import ClaimRequest, claim
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.statistics import marks
from app.queue.statistics.roll_up import roll_up
from app.queue.upkeep import ended_tasks, prune, prune_records, prune_tasks
from app.queue.upkeep.prune import count_everything, prune_everything
from app.queue.upkeep.retention import Retention
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.support.queue import register, site_at

pytestmark = pytest.mark.usefixtures("no_upkeep")

DAY = 86400


class Queue:
    """A queue whose tasks end as they are told to, however long ago."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.site = site_at(url, **settings)
        self.sql("DELETE FROM settings WHERE name LIKE 'upkeep.%'")
        self._number = 0
        for name in ("plain", "own"):
            register(self.site, name)

    def sql(self, text: str, **values: Any) -> list[dict[str, Any]]:
        return self.site.db.run(lambda connection: connection.query(text, values))

    def add(
        self,
        status: str = "completed",
        ended: float = 0,
        made: float | None = None,
        type: str = "plain",
        **options: Any,
    ) -> int:
        """A task that was made and ended so many days ago."""
        self._number += 1
        new = NewTask(type, {"n": self._number}, **options)
        task_id = create.create(self.site, [new])[0].id
        self.end(task_id, status)
        self.set_age(task_id, ended, made)
        return task_id

    def end(self, task_id: int, status: str) -> None:
        if status == "cancelled":
            cancel.cancel(self.site, task_id)
            return
        (task,) = claim(self.site, ClaimRequest("w")).tasks
        assert task["id"] == task_id
        lease_ref = LeaseRef(task_id, "w", task["attempts"])
        done = settle.Completion(lease_ref, '{"x":1}')
        failed = settle.Failure(lease_ref, "it broke", retry=False)
        outcomes: list[settle.Outcome] = [done if status == "completed" else failed]
        assert settle.settle(self.site, outcomes)[0].refusal is None

    def set_age(self, task_id: int, ended: float, made: float | None = None) -> None:
        after = self.site.db.dialect.after
        self.sql(
            f"UPDATE tasks SET completed_at = {after(':ended')}, created_at = {after(':made')} "
            "WHERE id = :id",
            id=task_id,
            ended=-ended * DAY,
            made=-(ended if made is None else made) * DAY,
        )

    def turn(self, seconds: float | None = None) -> bool:
        return prune.prune(self.site, Budget(seconds))

    def tasks(self) -> list[int]:
        return [row["id"] for row in self.sql("SELECT id FROM tasks ORDER BY id")]

    def has(self, task_id: int) -> bool:
        return task_id in self.tasks()

    def count(self, table: str, task_id: int) -> int:
        sql = f"SELECT COUNT(*) AS n FROM {table} WHERE task_id = :id"
        return int(self.sql(sql, id=task_id)[0]["n"])

    def again(self, task_id: int, dedupe: Any, **options: Any) -> Any:
        """A create that equals the last added task."""
        new = NewTask("plain", {"n": self._number}, dedupe=dedupe, **options)
        return create.create(self.site, [new])[0]


@pytest.fixture
def make(database_url: str) -> Iterator[Any]:
    made: list[Queue] = []

    def queue(**settings: Any) -> Queue:
        made.append(Queue(database_url, **settings))
        return made[-1]

    yield queue
    for each in made:
        each.site.db.close()


@pytest.fixture
def queue(make: Any) -> Queue:
    found: Queue = make()
    return found


class TestWhatIsOver:
    @pytest.mark.parametrize(
        ("status", "days"), [("completed", 30), ("failed", 90), ("cancelled", 30)]
    )
    def test_by_default(self, queue: Queue, status: str, days: float) -> None:
        over = queue.add(status, days + 1)
        stays = queue.add(status, days - 1)
        queue.turn()
        assert queue.tasks() == [stays]
        assert not queue.has(over)

    def test_none_is_for_ever(self, make: Any) -> None:
        queue = make(RETAIN_COMPLETED_DAYS=None)
        queue.add("completed", 9000)
        queue.add("failed", 9000)
        queue.turn()
        assert [row["status"] for row in queue.sql("SELECT status FROM tasks")] == ["completed"]

    def test_none_for_all(self, make: Any) -> None:
        queue = make(
            RETAIN_COMPLETED_DAYS=None, RETAIN_FAILED_DAYS=None, RETAIN_CANCELLED_DAYS=None
        )
        for status in ("completed", "failed", "cancelled"):
            queue.add(status, 9000)
        queue.turn()
        assert len(queue.tasks()) == 3

    def test_zero_leaves_time_to_repeat_an_outcome(self, make: Any) -> None:
        queue = make(RETAIN_COMPLETED_DAYS=0)
        over, stays = queue.add(ended=11 / 1440), queue.add(ended=9 / 1440)
        queue.turn()
        assert queue.tasks() == [stays]
        outcome = settle.Completion(LeaseRef(stays, "w", 1), '{"x":1}')
        assert settle.settle(queue.site, [outcome])[0].refusal is None
        outcome = settle.Completion(LeaseRef(over, "w", 1), '{"x":1}')
        assert isinstance(settle.settle(queue.site, [outcome])[0].refusal, NotFound)

    def test_what_has_not_ended_stays(self, queue: Queue) -> None:
        waits = queue.add("cancelled", 100)
        retry.retry(queue.site, waits)
        claim(queue.site, ClaimRequest("w"))
        later = create.create(queue.site, [NewTask("plain", {}, delay=9e6)])[0].id
        pending = create.create(queue.site, [NewTask("plain", {"p": 1})])[0].id
        queue.sql("UPDATE tasks SET created_at = '2001-01-01 00:00:00'")
        queue.turn()
        assert prune_everything(queue.site, Budget(None), lambda kind, count: None) is False
        assert queue.tasks() == [waits, later, pending]

    def test_its_end_counts_and_not_its_beginning(self, queue: Queue) -> None:
        late = queue.add(ended=29, made=400)
        assert queue.turn() is False
        assert queue.has(late)
        queue.set_age(late, 31, 400)
        queue.turn()
        assert not queue.has(late)

    def test_a_task_that_does_not_know_when_it_ended(self, queue: Queue) -> None:
        old, new = queue.add(ended=31), queue.add(ended=1)
        queue.sql("UPDATE tasks SET completed_at = NULL")
        queue.turn()
        assert queue.tasks() == [new]
        assert not queue.has(old)


class TestTypes:
    def own(self, queue: Queue, **options: Any) -> None:
        task_types.register(queue.site, "own", "1", {}, options)

    def test_shorter(self, queue: Queue) -> None:
        self.own(queue, retention={"completed": 1})
        over, stays = queue.add(ended=2, type="own"), queue.add(ended=2)
        queue.turn()
        assert queue.tasks() == [stays]
        assert not queue.has(over)

    @pytest.mark.parametrize("days", [None, 400])
    def test_longer(self, queue: Queue, days: float | None) -> None:
        self.own(queue, retention={"completed": days})
        stays, over = queue.add(ended=100, type="own"), queue.add(ended=100)
        for _ in range(3):
            queue.turn()
        assert queue.tasks() == [stays]
        assert not queue.has(over)

    def test_the_older_way(self, queue: Queue) -> None:
        self.own(queue, retention_days=3, retention={"failed": None})
        for status in ("completed", "cancelled", "failed"):
            queue.add(status, 4, type="own")
        queue.turn()
        assert [row["status"] for row in queue.sql("SELECT status FROM tasks")] == ["failed"]

    def test_back_to_the_site(self, queue: Queue) -> None:
        self.own(queue, retention={"completed": None})
        over = queue.add(ended=100, type="own")
        queue.add(ended=100)
        queue.turn()
        assert queue.tasks() == [over]
        self.own(queue, retention=None)
        queue.turn()
        assert queue.tasks() == []

    def test_cursors_of_types_without_a_retention_go(self, queue: Queue) -> None:
        self.own(queue, retention={"completed": 1})
        queue.add(ended=0.5, made=40, type="own")
        queue.turn()
        of_type = "SELECT name FROM settings WHERE name LIKE 'upkeep.prune.completed.%.%'"
        assert len(queue.sql(of_type)) > 0
        self.own(queue, retention=None)
        queue.turn()
        assert queue.sql(of_type) == []


class TestCursors:
    """With pages of two tasks, and sweeps that look at one page a turn."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prune_tasks, "PAGE", 2)
        monkeypatch.setattr(prune_tasks, "FIRST_CHUNK", 1)

    def cursor(self, queue: Queue, name: str) -> int:
        rows = queue.sql("SELECT value FROM settings WHERE name = :n", n=f"upkeep.prune.{name}")
        return int(rows[0]["value"]) if rows else 0

    def test_each_turn_goes_on(self, queue: Queue) -> None:
        ids = [queue.add(ended=31) for _ in range(9)]
        left = [len(ids)]
        while left[-1]:
            assert queue.turn(0) is True
            left.append(len(queue.tasks()))
            assert left[-1] < left[-2]
        assert len(left) > 3
        assert 0 < self.cursor(queue, "completed.close") <= ids[-1]
        fresh = queue.add(ended=0)
        queue.turn()
        assert queue.tasks() == [fresh]
        assert self.cursor(queue, "completed.close") <= ids[-1]

    def test_the_sweep_finds_what_was_passed_by(self, queue: Queue) -> None:
        late = [queue.add(ended=20, made=40) for _ in range(7)]
        queue.turn()
        assert queue.tasks() == late
        assert self.cursor(queue, "completed.late") == late[-1]
        for each in late:
            queue.set_age(each, 31, 51)
        for _ in range(9):
            queue.turn(0)
        assert queue.tasks() == []

    def test_the_late_pass_finds_what_waited_for_hours(self, queue: Queue) -> None:
        made = [queue.add(ended=29.9, made=30.2) for _ in range(5)]
        queue.turn()
        assert (self.cursor(queue, "completed.close"), queue.tasks()) == (made[-1], made)
        for each in made:
            queue.set_age(each, 30.8, 31.1)
        register(queue.site, "own", retention={"completed": 1})
        queue.turn()
        assert queue.tasks() == []

    @pytest.mark.parametrize("before", [10, None])
    def test_a_shorter_retention(self, make: Any, before: float | None) -> None:
        queue = make(RETAIN_COMPLETED_DAYS=before)
        made = [queue.add(ended=9) for _ in range(5)]
        queue.turn()
        assert queue.tasks() == made
        make(RETAIN_COMPLETED_DAYS=8).turn()
        assert queue.tasks() == []

    def test_a_longer_retention(self, make: Any) -> None:
        queue = make(RETAIN_COMPLETED_DAYS=10)
        made = [queue.add(ended=9) for _ in range(5)]
        longer = make(RETAIN_COMPLETED_DAYS=20)
        longer.turn()
        for each in made:
            queue.set_age(each, 15)
        longer.turn()
        assert queue.tasks() == made
        make(RETAIN_COMPLETED_DAYS=14).turn()
        assert queue.tasks() == []

    def test_a_clock_that_was_ahead(self, queue: Queue) -> None:
        """Tasks from the future hold up the passes, and the sweeps go beyond them."""
        ahead = [queue.add(ended=-300) for _ in range(3)]
        over = [queue.add(ended=31) for _ in range(3)]
        assert queue.turn() is False
        for _ in range(9):
            queue.turn(0)
        assert queue.tasks() == ahead
        assert not any(queue.has(each) for each in over)

    def test_one_pass_does_not_keep_the_others_waiting(self, queue: Queue) -> None:
        for _ in range(8):
            queue.add("completed", 31)
        for _ in range(2):
            queue.add("failed", 91)
        for _ in range(4):
            queue.turn(0)
        left = {row["status"] for row in queue.sql("SELECT status FROM tasks")}
        assert left <= {"completed"}

    def test_garbage_in_a_cursor(self, queue: Queue) -> None:
        over = queue.add(ended=31)
        queue.turn()
        queue.sql("UPDATE settings SET value = 'x' WHERE name LIKE 'upkeep.prune.%'")
        over = queue.add(ended=31)
        queue.turn()
        assert not queue.has(over)


class TestWhatGoesWithATask:
    def test_all_of_it(self, queue: Queue) -> None:
        over = queue.add("failed", 91, tags=["a", "b"])
        stays = queue.add("failed", 1, tags=["a"])
        for task_id in (over, stays):
            queue.sql(
                "INSERT INTO task_errors (error_group, task_id, type_id) VALUES (7, :id, 1)",
                id=task_id,
            )
        queue.turn()
        for table in ("task_history", "task_tags", "task_errors"):
            assert queue.count(table, over) == 0
            assert queue.count(table, stays) > 0

    def test_deleted_by_hand(self, queue: Queue) -> None:
        task_id = queue.add("failed", 0, tags=["a", "b"])
        queue.sql(
            "INSERT INTO task_errors (error_group, task_id, type_id) VALUES (7, :id, 1)", id=task_id
        )
        delete.delete(queue.site, task_id)
        for table in ("task_history", "task_tags", "task_errors", "used_dedupe_keys"):
            assert queue.count(table, task_id) == 0


class TestResults:
    def result(self, queue: Queue, task_id: int) -> Any:
        return find_task.find_task(queue.site, task_id)["result_json"]

    def test_earlier_than_the_task(self, make: Any) -> None:
        queue = make(RETAIN_RESULT_DAYS=7)
        old, new, failed = queue.add(ended=8), queue.add(ended=6), queue.add("failed", 8)
        history = queue.count("task_history", old)
        queue.turn()
        assert queue.tasks() == [old, new, failed]
        assert [self.result(queue, each) for each in (old, new)] == [None, '{"x":1}']
        assert queue.count("task_history", old) == history
        error = queue.sql("SELECT error_message FROM tasks WHERE id = :id", id=failed)
        assert error[0]["error_message"] == "it broke"

    def test_of_a_type(self, queue: Queue) -> None:
        register(queue.site, "own", retention={"result": 0})
        own, plain = queue.add(ended=1, type="own"), queue.add(ended=1)
        queue.turn()
        assert [self.result(queue, each) for each in (own, plain)] == [None, '{"x":1}']

    def test_by_the_sweep(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prune_tasks, "PAGE", 2)
        queue = make(RETAIN_RESULT_DAYS=7)
        made = [queue.add(ended=6, made=20) for _ in range(5)]
        queue.turn()
        for each in made:
            queue.set_age(each, 8, 22)
        for _ in range(9):
            queue.turn(0)
        assert {self.result(queue, each) for each in made} == {None}


class TestDedupe:
    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
    def test_forever_outlives_the_task(self, queue: Queue, status: str) -> None:
        task_id = queue.add(status, 100)
        queue.turn()
        assert queue.tasks() == []
        for _ in range(2):
            found = queue.again(task_id, "forever")
            assert (found.id, found.deduplicated) == (task_id, True)
            assert found.row["status"] == status
        assert queue.again(task_id, None).id == task_id
        assert queue.tasks() == []

    def test_a_number_of_seconds(self, queue: Queue) -> None:
        task_id = queue.add(ended=100, made=101)
        queue.turn()
        assert queue.again(task_id, 101.5 * DAY).id == task_id
        new = queue.again(task_id, 100.5 * DAY)
        assert (new.deduplicated, queue.tasks()) == (False, [new.id])
        assert queue.again(task_id, "forever").id == new.id
        assert queue.sql("SELECT * FROM used_dedupe_keys") == []

    @pytest.mark.parametrize("dedupe", ["active", False])
    def test_a_new_task(self, queue: Queue, dedupe: Any) -> None:
        task_id = queue.add(ended=100)
        queue.turn()
        new = queue.again(task_id, dedupe)
        assert (new.deduplicated, queue.tasks()) == (False, [new.id])
        expected = task_id if dedupe is False else new.id
        assert queue.again(task_id, "forever").id == expected

    def test_many_at_once(self, queue: Queue) -> None:
        pruned = [queue.add(ended=100) for _ in range(3)]
        queue.turn()
        lives = queue.add(ended=1)
        new = [NewTask("plain", {"n": n}) for n in (1, 2, 3, 4, 5, 5)]
        made = create.create(queue.site, new)
        assert [each.id for each in made[:4]] == [*pruned, lives]
        assert [each.deduplicated for each in made] == [True, True, True, True, False, True]

    def test_another_type_has_keys_of_its_own(self, queue: Queue) -> None:
        queue.add(ended=100, dedupe_key="k")
        queue.turn()
        new = create.create(queue.site, [NewTask("own", {}, dedupe_key="k")])[0]
        assert new.deduplicated is False

    def test_pruned_again(self, queue: Queue) -> None:
        first = queue.add(ended=100)
        queue.turn()
        second = queue.again(first, "active").id
        queue.end(second, "cancelled")
        queue.set_age(second, 100)
        queue.turn()
        assert queue.tasks() == []
        assert queue.again(first, "forever").id == second

    def test_deleting_by_hand_frees_the_key(self, queue: Queue) -> None:
        task_id = queue.add(ended=100)
        delete.delete(queue.site, task_id)
        assert queue.again(task_id, "forever").deduplicated is False

    def test_a_key_that_was_given_up_is_not_kept(self, queue: Queue) -> None:
        first = queue.add(ended=100)
        second = queue.again(first, "active").id
        queue.turn()
        assert queue.tasks() == [second]
        assert queue.sql("SELECT * FROM used_dedupe_keys") == []

    def test_a_retried_task_takes_back_the_key_of_a_pruned_one(self, queue: Queue) -> None:
        first = queue.add("failed", 1)
        second = queue.again(first, "active").id
        with pytest.raises(Conflict):
            retry.retry(queue.site, first)
        queue.end(second, "cancelled")
        queue.set_age(second, 100)
        queue.turn()
        assert queue.tasks() == [first]
        retry.retry(queue.site, first)
        assert queue.sql("SELECT * FROM used_dedupe_keys") == []
        assert queue.again(first, "active").id == first
        cancel.cancel(queue.site, first)
        delete.delete(queue.site, first)
        assert queue.again(first, "forever").deduplicated is False

    def test_keys_are_kept_as_long_as_told(self, make: Any) -> None:
        queue = make(RETAIN_DEDUPE_DAYS=10)
        task_id = queue.add(ended=100)
        queue.turn()
        assert queue.again(task_id, "forever").id == task_id
        queue.sql(
            f"UPDATE used_dedupe_keys SET pruned_at = {queue.site.db.dialect.after(str(-11 * DAY))}"
        )
        queue.turn()
        assert queue.again(task_id, "forever").deduplicated is False

    def test_no_keys_at_all(self, make: Any) -> None:
        queue = make(RETAIN_DEDUPE_DAYS=0)
        task_id = queue.add(ended=100)
        queue.turn()
        assert queue.sql("SELECT * FROM used_dedupe_keys") == []
        assert queue.again(task_id, "forever").deduplicated is False

    def test_a_prune_between_the_look_and_the_insert(
        self, queue: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a create found has been pruned when it takes the key over."""
        task_id = queue.add(ended=100)
        other = Site(queue.site.settings)
        insert = create._insert_all

        def prune_first(*args: Any) -> Any:
            prune.prune(other, Budget(None))
            return insert(*args)

        monkeypatch.setattr(create, "_insert_all", prune_first)
        new = queue.again(task_id, "active")
        other.db.close()
        assert queue.tasks() == [new.id]
        assert queue.sql("SELECT * FROM used_dedupe_keys") == []


class TestRivals:
    def between(self, queue: Queue, monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
        """Do something after tasks were found, and before they are locked."""
        lock = ended_tasks._lock_expired
        waiting = [work]

        def after_work(*args: Any) -> Any:
            if waiting:
                waiting.pop()()
            return lock(*args)

        monkeypatch.setattr(ended_tasks, "_lock_expired", after_work)
        queue.turn()

    def test_a_retry_before(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        task_id = queue.add("failed", 91)
        rival = Site(queue.site.settings)
        self.between(queue, monkeypatch, lambda: retry.retry(rival, task_id))
        rival.db.close()
        assert queue.has(task_id)
        assert queue.count("task_history", task_id) > 0

    def test_failed_again_before(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        task_id = queue.add("failed", 91)

        def fail_again() -> None:
            retry.retry(queue.site, task_id)
            queue.end(task_id, "failed")

        rival = Queue.__new__(Queue)
        rival.site = Site(queue.site.settings)
        site, queue.site = queue.site, rival.site
        pruning = prune.Pruning(site, site.db.run_once, lambda kind, count: None)
        lock, waiting = ended_tasks._lock_expired, [fail_again]

        def after_work(*args: Any) -> Any:
            if waiting:
                waiting.pop()()
            return lock(*args)

        monkeypatch.setattr(ended_tasks, "_lock_expired", after_work)
        pruning.run_turn(Budget(None))
        site.db.close()
        assert queue.has(task_id)

    def test_deleted_before(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        task_id = queue.add("failed", 91)
        rival = Site(queue.site.settings)
        self.between(queue, monkeypatch, lambda: delete.delete(rival, task_id))
        rival.db.close()
        assert queue.tasks() == []
        assert queue.sql("SELECT * FROM used_dedupe_keys") == []

    def test_a_retry_after(self, queue: Queue) -> None:
        task_id = queue.add("failed", 91)
        queue.turn()
        with pytest.raises(NotFound):
            retry.retry(queue.site, task_id)

    def test_many_turns_at_once(self, queue: Queue) -> None:
        for _ in range(60):
            queue.add("cancelled", 31, tags=["a"])
        stays = queue.add("cancelled", 1)
        sites = [Site(queue.site.settings) for _ in range(4)]
        errors: list[BaseException] = []

        def work(site: Site) -> None:
            try:
                prune_everything(site, Budget(None), lambda kind, count: None)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(each,)) for each in sites]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in sites:
            each.db.close()
        assert errors == []
        queue.turn()
        assert queue.tasks() == [stays]
        assert queue.sql("SELECT COUNT(*) AS n FROM used_dedupe_keys")[0]["n"] == 60
        assert queue.sql("SELECT COUNT(*) AS n FROM task_history")[0]["n"] == 2


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_locked_task_is_left_for_another_time(queue: Queue) -> None:
    locked, over = queue.add("failed", 91), queue.add("failed", 91)
    rival = Site(queue.site.settings)

    def hold(connection: Connection) -> float:
        connection.begin([("SELECT id FROM tasks WHERE id = :id FOR UPDATE", {"id": locked})])
        begun = time.monotonic()
        queue.turn()
        connection.rollback()
        return time.monotonic() - begun

    assert rival.db.run(hold) < 5
    rival.db.close()
    assert queue.tasks() == [locked]
    assert not queue.has(over)
    queue.turn()
    assert queue.tasks() == []


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_nobody_is_waited_for_who_changes_the_statistics(queue: Queue) -> None:
    over = queue.add("failed", 91)
    roll_up(queue.site, Budget(None))
    rival = Site(queue.site.settings)

    def hold(connection: Connection) -> float:
        connection.begin([marks.lock(connection.dialect)])
        begun = time.monotonic()
        with pytest.raises(TryAgain):
            queue.turn()
        connection.rollback()
        return time.monotonic() - begun

    assert rival.db.run(hold) < 5
    rival.db.close()
    assert queue.has(over)
    queue.turn()
    assert queue.tasks() == []


class TestRecords:
    def see(self, queue: Queue, worker_id: str, days: float) -> None:
        claim(queue.site, ClaimRequest(worker_id))
        after = queue.site.db.dialect.after(":seconds")
        queue.sql(
            f"UPDATE workers SET last_seen_at = {after} WHERE id = :id",
            id=worker_id,
            seconds=-days * DAY,
        )

    def workers(self, queue: Queue) -> list[str]:
        return [row["id"] for row in queue.sql("SELECT id FROM workers ORDER BY id")]

    def test_workers(self, queue: Queue) -> None:
        create.create(queue.site, [NewTask("plain", {})])
        for worker_id, days in (("busy", 31), ("gone", 31), ("here", 29)):
            self.see(queue, worker_id, days)
        queue.turn()
        assert self.workers(queue) == ["busy", "here"]

    def test_workers_of_this_hour_stay(self, make: Any) -> None:
        queue = make(RETAIN_WORKER_DAYS=0)
        self.see(queue, "here", 0.5 / 24)
        self.see(queue, "gone", 1.5 / 24)
        queue.turn()
        assert self.workers(queue) == ["here"]

    def test_workers_for_ever(self, make: Any) -> None:
        queue = make(RETAIN_WORKER_DAYS=None)
        self.see(queue, "gone", 9000)
        queue.turn()
        assert self.workers(queue) == ["gone"]

    def test_turns_of_fair_claims(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        """They go when there are very many, since somebody's filter is another each time."""
        monkeypatch.setattr(prune_records, "MOST_FAIR_TURNS", 3)
        for number in range(4):
            queue.sql(f"INSERT INTO settings (name, value) VALUES ('fair.{number:08x}.0', '7')")
            queue.turn()
            rows = queue.sql("SELECT name FROM settings WHERE name LIKE 'fair.%'")
            assert len(rows) == (number + 1 if number < 3 else 0)

    def test_the_audit_log(self, queue: Queue) -> None:
        for days in (400, 366, 364, 0):
            after = queue.site.db.dialect.after(":seconds")
            queue.sql(
                f"INSERT INTO audit_log (created_at, actor, action) VALUES ({after}, 'a', :action)",
                action=str(days),
                seconds=-days * DAY,
            )
        queue.turn()
        left = queue.sql("SELECT action FROM audit_log ORDER BY id")
        assert [row["action"] for row in left] == ["364", "0"]

    def keys(self, queue: Queue, *hours: float) -> None:
        """Idempotency keys that were used so many hours ago."""
        for each in hours:
            queue.sql(
                "INSERT INTO idempotency_keys "
                "(api_key_id, idempotency_key, body_hash, created_json, created_at) "
                f"VALUES (0, :key, 'x', '[]', {queue.site.db.dialect.after(':seconds')})",
                key=str(each),
                seconds=-each * 3600,
            )

    def test_idempotency_keys(self, queue: Queue) -> None:
        self.keys(queue, 1000, 24.1, 23.9, 0)
        queue.turn()
        left = queue.sql("SELECT idempotency_key FROM idempotency_keys ORDER BY created_at")
        assert [row["idempotency_key"] for row in left] == ["23.9", "0"]

    def test_idempotency_keys_in_several_batches(
        self, queue: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prune_records, "BATCH", 2)
        monkeypatch.setattr(prune_records, "IDEMPOTENCY_KEY_BATCHES", 3)
        self.keys(queue, *range(100, 109))
        for left in (3, 0):
            queue.turn()
            assert len(queue.sql("SELECT idempotency_key FROM idempotency_keys")) == left

    def test_in_batches(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prune_records, "BATCH", 2)
        for name in "abcde":
            self.see(queue, name, 31)
        queue.turn()
        assert len(self.workers(queue)) == 3
        prune_everything(queue.site, Budget(None), lambda kind, count: None)
        assert self.workers(queue) == []


class TestEverything:
    def tally(self) -> tuple[dict[str, int], Any]:
        counts: dict[str, int] = {}

        def tell(kind: str, count: int) -> None:
            counts[kind] = counts.get(kind, 0) + count

        return counts, tell

    def test_until_nothing_is_left(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prune_tasks, "PAGE", 3)
        monkeypatch.setattr(prune_tasks, "FIRST_CHUNK", 2)
        queue = make(RETAIN_RESULT_DAYS=7)
        stays = [queue.add(ended=8, made=300), queue.add("failed", 89), queue.add(ended=1)]
        for _ in range(5):
            queue.add(ended=31, made=40)
            queue.add("failed", 91, made=300)
        expected = {"completed": 5, "failed": 5, "result": 1, "cancelled": 0}
        counts, tell = self.tally()
        before = queue.tasks()
        count_everything(queue.site, tell)
        assert {each: counts.get(each, 0) for each in expected} == expected
        assert queue.tasks() == before
        counts, tell = self.tally()
        assert prune_everything(queue.site, Budget(None), tell) is False
        assert {each: counts.get(each, 0) for each in expected} == expected
        assert queue.tasks() == stays

    def test_within_a_time(self, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prune_tasks, "FIRST_CHUNK", 1)
        for _ in range(5):
            queue.add(ended=31)
        assert prune_everything(queue.site, Budget(0), lambda kind, count: None) is True
        assert 0 < len(queue.tasks()) < 5


def test_retention_of_a_type_stands_before_the_sites() -> None:
    from app.config import from_values

    settings = from_values({"RETAIN_FAILED_DAYS": 5})
    types = [
        {"id": 1, "retention_days": 2.0, "retention_json": None},
        {"id": 2, "retention_days": 2.0, "retention_json": '{"failed":null,"result":1}'},
    ]
    retention = Retention(settings, types)
    assert retention.seconds("failed") == 5 * DAY
    assert [retention.seconds("failed", each) for each in (1, 2, 3)] == [2 * DAY, None, 5 * DAY]
    assert [retention.seconds("result", each) for each in (1, 2)] == [None, DAY]
    assert retention.own_types("result") == [2]
