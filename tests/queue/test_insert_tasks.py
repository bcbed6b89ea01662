"""Bulk creates: many tasks in one INSERT, each with its own id and its own values."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from app.db import mysql
from app.queue import create as creating
from app.queue.insert_tasks import MOST_ROWS, OWN_VALUES
from app.queue.new_task import NewTask
from app.site import Site
from tests.queue.batches import Packets, RivalNode, at_once, rows, run_sql
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import MariaDB
from tests.support.queue import register, site_at

MEBIBYTE = 1024 * 1024


def check(site: Site, ids: list[int], tasks: list[NewTask]) -> None:
    """Each task has the id that was given for it, and ids are in the order of the tasks."""
    assert ids == sorted(set(ids))
    found = {row["id"]: row["params_json"] for row in rows(site, "SELECT * FROM tasks")}
    assert [json.loads(found[each]) for each in ids] == [task.params for task in tasks]
    listed = ",".join(map(str, ids))
    told = rows(
        site,
        "SELECT task_id, status, worker_id, attempt, message, seconds FROM task_history "
        f"WHERE task_id IN ({listed}) ORDER BY id",
    )
    assert [row["task_id"] for row in told] == ids
    assert {tuple(row.values())[2:] for row in told} == {(None, 0, None, None)}


@pytest.mark.parametrize("count", [1, 2, MOST_ROWS - 1, MOST_ROWS, MOST_ROWS + 1, 1000])
def test_ids_are_in_the_order_of_the_tasks(site: Site, count: int) -> None:
    register(site, "job")
    tasks = [NewTask("job", {"n": n}) for n in range(count)]
    made = creating.create(site, tasks)
    assert [each.deduplicated for each in made] == [False] * count
    check(site, [each.id for each in made], tasks)


def test_everything_may_differ(site: Site) -> None:
    for number in range(3):
        register(site, f"type-{number}", priority=number, max_attempts=number + 1)
    tasks = [
        NewTask(
            f"type-{n % 3}",
            {"n": n},
            priority=n if n % 2 else None,
            run_at="2099-01-01 00:00:00.000" if n % 5 == 1 else None,
            delay=float(n) if n % 5 == 2 else None,
            max_attempts=n + 10 if n % 7 == 0 else None,
            dedupe_key=f"key {n}" if n % 4 == 0 else None,
            timeout=float(n + 1) if n % 3 == 0 else None,
            tags=[f"tag{n}", "x"] if n % 6 == 0 else None,
        )
        for n in range(150)
    ]
    made = creating.create(site, tasks)
    check(site, [each.id for each in made], tasks)
    for n, row in enumerate(rows(site, "SELECT * FROM tasks ORDER BY id")):
        is_later = n % 5 in (1, 2)
        assert row["status"] == ("scheduled" if is_later else "pending")
        assert (row["due_at"] is not None) == is_later
        assert row["urgency"] == -(n if n % 2 else n % 3)
        assert row["max_attempts"] == (n + 10 if n % 7 == 0 else n % 3 + 1)
        assert row["timeout"] == (n + 1 if n % 3 == 0 else None)
        assert row["tags"] == (f"\ntag{n}\nx\n" if n % 6 == 0 else None)
        assert (row["dedupe_key"] == f"key {n}") == (n % 4 == 0)
        assert (made[n].row["status"], made[n].row["urgency"]) == (row["status"], row["urgency"])


def test_those_that_exist_stand_between_the_new_ones(site: Site) -> None:
    register(site, "job")
    old = creating.create(site, [NewTask("job", {"n": n}) for n in range(0, 200, 2)])
    made = creating.create(site, [NewTask("job", {"n": n % 200}) for n in range(300)])
    assert [each.deduplicated for each in made] == [n % 2 == 0 or n >= 200 for n in range(300)]
    assert [each.id for each in made[0:200:2]] == [each.id for each in old]
    assert [each.id for each in made[200:]] == [each.id for each in made[:100]]


def test_ids_that_others_took_in_between(queue_url: str, mariadb_site: Site) -> None:
    """Several make tasks at once; one has a server that counts in steps, as a cluster's does."""
    register(mariadb_site, "job")
    made: dict[int, list[int]] = {}
    tasks = {
        turn: [NewTask("job", {"turn": turn, "n": n}, dedupe=False) for n in range(300)]
        for turn in range(4)
    }

    def run(turn: int) -> None:
        site = site_at(queue_url)
        if turn == 0:
            run_sql(site, "SET SESSION auto_increment_increment = 7")
        made[turn] = [each.id for each in creating.create(site, tasks[turn])]
        site.db.close()

    at_once(*(functools.partial(run, turn) for turn in range(4)))
    for turn in range(4):
        check(mariadb_site, made[turn], tasks[turn])
    assert len({each for ids in made.values() for each in ids}) == 1200


def test_a_log_of_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a server locks what is read for the history: several who create at once deadlock on
    nothing, as with every other server.
    """
    errors: list[str] = []
    classify = mysql.classify

    def noted(error: Any) -> Any:
        errors.append(str(error))
        return classify(error)

    def run(url: str, turn: int) -> None:
        site = site_at(url)
        for step in range(5):
            creating.create(
                site, [NewTask("job", {"turn": turn, "step": step, "n": n}) for n in range(200)]
            )
        site.db.close()

    monkeypatch.setattr(mysql, "classify", noted)
    with MariaDB("--log-bin=log", "--binlog-format=STATEMENT", "--server-id=1") as server:
        url = mariadb_with_tables(server, "tm_log")
        site = site_at(url)
        register(site, "job")
        at_once(*(functools.partial(run, url, turn) for turn in range(4)))
        counts = "SELECT COUNT(*) AS n FROM tasks UNION ALL SELECT COUNT(*) FROM task_history"
        assert [row["n"] for row in rows(site, counts)] == [4000, 4000]
        site.db.close()
    assert errors == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("undo_after", range(1, 5))
@pytest.mark.parametrize("count", [1, 50])
def test_a_rival_node_is_noticed(
    site: Site, monkeypatch: pytest.MonkeyPatch, undo_after: int, count: int
) -> None:
    """Whichever statement of the packet it undoes, all tasks are there in the end, and once."""
    register(site, "job")
    tasks = [NewTask("job", {"n": n}, dedupe=False) for n in range(count)]
    rival = RivalNode(monkeypatch, undo_after)
    made = creating.create(site, tasks)
    assert rival.wins == (undo_after < 4)
    check(site, [each.id for each in made], tasks)
    assert len(rows(site, "SELECT id FROM tasks")) == count


def test_long_params_travel_in_packets_that_every_host_takes(
    mariadb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quoting makes each of these characters two."""
    register(mariadb_site, "job")
    packets = Packets(monkeypatch)
    tags = [f"{n:02}" + "\\" * 48 for n in range(20)]
    tasks = [NewTask("job", {"n": n, "text": "\\" * 10_000}, tags=tags) for n in range(150)]
    made = creating.create(mariadb_site, tasks)
    assert max(packets.sizes) < MEBIBYTE
    check(mariadb_site, [each.id for each in made], tasks)


def test_a_statement_has_no_more_values_than_sqlite_may_take(
    mariadb_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(mariadb_site, "job")
    register(mariadb_site, "other")
    packets = Packets(monkeypatch)
    tasks = [
        NewTask(
            ("job", "other")[n % 2],
            {"n": n},
            priority=n,
            max_attempts=n + 1,
            timeout=n + 1.0,
            tags=[f"t{n}"],
            parent_id=n + 1,
            concurrency_key=f"k{n}",
            traceparent=f"00-{n + 1:032x}-{n + 1:016x}-01",
            **{("run_at" if n % 2 else "delay"): ("2099-01-01 00:00:00.000" if n % 2 else n + 1.0)},
        )
        for n in range(200)
    ]
    creating.create(mariadb_site, tasks)
    assert max(packets.values) == OWN_VALUES * MOST_ROWS + 1 <= 999


def test_all_or_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is taken while the second hundred is on its way leaves nothing of the first."""
    register(site, "job")
    look, looks = creating._look, []

    def be_overtaken(*arguments: Any) -> Any:
        found = look(*arguments)
        looks.append(len(rows(site, "SELECT id FROM tasks")))
        if len(looks) == 1:
            monkeypatch.setattr(creating, "_look", look)
            creating.create(site, [NewTask("job", {"n": 150})])
            monkeypatch.setattr(creating, "_look", be_overtaken)
        return found

    monkeypatch.setattr(creating, "_look", be_overtaken)
    made = creating.create(site, [NewTask("job", {"n": n}) for n in range(200)])
    assert looks == [0, 1]
    assert [n for n, each in enumerate(made) if each.deduplicated] == [150]
    assert len(rows(site, "SELECT id FROM tasks")) == 200
