"""Rows of tasks, types and schedules that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import delete_type, task_types
from app.queue.create import create
from app.queue.new_task import NewTask
from app.queue.schedules import store
from app.queue.upkeep import orphans, used_keys
from app.queue.upkeep.turn import DUTIES, Budget
from app.site import Site
from tests.support.queue import register

pytestmark = pytest.mark.usefixtures("no_upkeep")

NOW = "'2026-01-02 03:04:05.678'"
GONE = 9_000_000
"""The id of what never was."""


def sql(site: Site, text: str, **values: Any) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(text, values))


def count(site: Site, table: str, condition: str = "1 = 1") -> int:
    return int(sql(site, f"SELECT COUNT(*) AS n FROM {table} WHERE {condition}")[0]["n"])


def turn(site: Site) -> None:
    assert orphans.remove_orphans(site, Budget(None)) is False


@pytest.fixture
def type_id(site: Site) -> int:
    return register(site, "mail")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "PAGE", 2)
    monkeypatch.setattr(orphans, "GONE_AT_ONCE", 1)
    monkeypatch.setattr(orphans, "TYPES_AT_ONCE", 2)
    monkeypatch.setattr(used_keys, "PAGE", 2)


def leave(site: Site, task_id: int) -> None:
    """What belongs to a task, as many rows as a page holds and more."""
    for number in range(3):
        values = {"id": task_id, "n": number}
        for text in (
            f"INSERT INTO task_history (task_id, status, attempt, created_at) "
            f"VALUES (:id, 'x', :n, {NOW})",
            "INSERT INTO task_tags (tag, task_id, type_id) VALUES (:n, :id, 1)",
            "INSERT INTO task_errors (error_group, task_id, type_id) VALUES (:n, :id, 1)",
        ):
            sql(site, text, **values)


TABLES = ("task_history", "task_tags", "task_errors")


@pytest.mark.usefixtures("small_pages")
def test_of_tasks(site: Site, type_id: int) -> None:
    kept = [create(site, [NewTask("mail", {"n": n}, tags=["a"])])[0].id for n in range(3)]
    for task_id in (kept[1], *range(GONE, GONE + 3)):
        leave(site, task_id)
    before = {table: count(site, table, f"task_id < {GONE}") for table in TABLES}
    turn(site)
    assert {table: count(site, table) for table in TABLES} == before
    turn(site)
    assert {table: count(site, table) for table in TABLES} == before


@pytest.mark.usefixtures("small_pages")
def test_little_by_little(site: Site, type_id: int) -> None:
    for task_id in range(GONE, GONE + 3):
        leave(site, task_id)
    left = [count(site, "task_tags")]
    for _ in range(60):
        orphans.remove_orphans(site, Budget(0))
        left.append(count(site, "task_tags"))
    assert left[-1] == 0
    assert max(before - after for before, after in zip(left, left[1:])) <= 3
    assert sum(count(site, table) for table in TABLES) == 0


def test_runs_of_schedules(site: Site, type_id: int) -> None:
    values = {"type": "mail", "params": {}, "every": 60.0, "timezone": "UTC"}
    row, _ = store.put(site, "often", values)
    for schedule_id in (row["id"], GONE):
        text = (
            f"INSERT INTO schedule_runs (schedule_id, due_at, made_at) VALUES (:id, {NOW}, {NOW})"
        )
        sql(site, text, id=schedule_id)
    turn(site)
    assert [each["schedule_id"] for each in sql(site, "SELECT * FROM schedule_runs")] == [row["id"]]


@pytest.mark.usefixtures("small_pages")
def test_what_types_leave_behind(site: Site, type_id: int) -> None:
    gone = register(site, "gone")
    for each in (type_id, gone):
        for text in (
            f"INSERT INTO rate_claims (type_id, claimed_at, change_id, total) "
            f"VALUES (:id, {NOW}, 1, 1)",
            "INSERT INTO task_activity (step_seconds, started_at, type_id, event, bucket, total, "
            "total_seconds) VALUES (0, '2000-01-01 00:00:00.000', :id, 'created', 0, 1, 0)",
        ):
            sql(site, text, id=each)
    total = "INSERT INTO task_activity (step_seconds, started_at, type_id, event, bucket, total, "
    total += "total_seconds) VALUES (0, '2000-01-01 00:00:00.000', 0, 'created', 0, 2, 0)"
    sql(site, total)
    assert delete_type.delete_type(site, "gone") is False
    turn(site)
    found = sql(site, "SELECT type_id FROM task_activity ORDER BY type_id")
    assert [row["type_id"] for row in found] == [0, type_id]
    assert [row["type_id"] for row in sql(site, "SELECT type_id FROM rate_claims")] == [type_id]


class TestArchivedTypes:
    def archived(self, site: Site, days: float) -> None:
        (task,) = create(site, [NewTask("mail", {})])
        sql(site, "UPDATE tasks SET status = 'completed'")
        assert delete_type.delete_type(site, "mail") is True
        after = site.db.dialect.after(":seconds")
        sql(site, f"UPDATE task_types SET archived_at = {after}", seconds=-days * 86400)
        assert task.id

    def names(self, site: Site) -> list[str]:
        return [row["name"] for row in task_types.list_all(site, with_archived=True)]

    def test_stay_with_their_tasks(self, site: Site, type_id: int) -> None:
        self.archived(site, 99)
        turn(site)
        assert self.names(site) == ["mail"]

    def test_go_a_month_later(self, site: Site, type_id: int) -> None:
        self.archived(site, 30)
        sql(site, "DELETE FROM tasks")
        turn(site)
        assert self.names(site) == ["mail"]
        after = site.db.dialect.after(":seconds")
        sql(site, f"UPDATE task_types SET archived_at = {after}", seconds=-32 * 86400.0)
        turn(site)
        assert self.names(site) == []


class TestUsedKeys:
    def keep(self, site: Site, key: str, type_id: int, days: float = 2) -> None:
        after = site.db.dialect.after(":seconds")
        sql(
            site,
            "INSERT INTO used_dedupe_keys (dedupe_key, type_id, task_id, status, created_at, "
            f"pruned_at) VALUES (:key, :type_id, 1, 'completed', {NOW}, {after})",
            key=key,
            type_id=type_id,
            seconds=-days * 86400,
        )

    def keys(self, site: Site) -> list[tuple[str, int]]:
        rows = sql(site, "SELECT * FROM used_dedupe_keys ORDER BY dedupe_key, type_id")
        return [(row["dedupe_key"], row["type_id"]) for row in rows]

    @pytest.mark.usefixtures("small_pages")
    def test_of_types(self, site: Site, type_id: int) -> None:
        for key in ("a", "b b", "c", "ü", "💥"):
            for each in (type_id, GONE, GONE + 1):
                self.keep(site, key, each)
        turn(site)
        assert {each for _, each in self.keys(site)} == {type_id}
        assert len(self.keys(site)) == 5

    def test_of_the_times_of_schedules(self, site: Site, type_id: int) -> None:
        values = {"type": "mail", "params": {}, "every": 60.0, "timezone": "UTC"}
        row, _ = store.put(site, "often", values)
        own, next_at = f"schedule:{row['id']}:", str(row["next_at"])
        stays = [
            own + next_at,
            own + "2001-01-01 00:00:00.0000",
            "schedule:x:2001-01-01 00:00:00.000",
            "my own key",
        ]
        for key in (*stays, own + "2001-01-01 00:00:00.000"):
            self.keep(site, key, type_id)
        self.keep(site, f"schedule:{GONE}:2001-01-01 00:00:00.000", type_id)
        self.keep(site, own + "2001-01-02 00:00:00.000", type_id, days=0.5)
        turn(site)
        kept = sorted([*stays, own + "2001-01-02 00:00:00.000"])
        assert sorted(key for key, _ in self.keys(site)) == kept


def test_it_is_a_duty() -> None:
    assert "orphans" in [duty.name for duty in DUTIES]
