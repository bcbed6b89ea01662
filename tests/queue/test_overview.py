"""The overview: what its panels tell, from one reading, as other functions tell it alone."""

from __future__ import annotations

import pytest

from app.errors import OldTables
from app.queue import overview as module
from app.queue import task_types, workers
from app.queue.access import Access
from app.queue.overview import SHOWN, overview
from app.queue.schedules import store as schedules
from app.queue.statistics import roll_up
from app.queue.statistics.failures import failures
from app.queue.statistics.series import PERIODS, series
from app.queue.statistics.stats import stats
from app.queue.verdict_facts import verdict
from app.site import Site
from app.version import SCHEMA_VERSION
from tests.queue.statistics.clients import roll_up_all
from tests.queue.test_round_trips import Wire
from tests.queue.test_verdict import ago, change, end, make, take
from tests.support.queue import register, site_at


def fill(site: Site) -> None:
    """Of eight types each ended more tasks than the one before; the first one's failed."""
    for number in range(8):
        register(site, f"type-{number}")
        make(site, f"type-{number}", number + 2)
        end(site, failed=2 if number == 0 else 0, completed=number if number == 0 else number + 2)
    make(site, "type-3", 4)
    take(site, "busy", 3)
    for number in range(SHOWN + 2):
        values = {"type": "type-1", "params": {}, "every": 3600.0 + number}
        schedules.put(site, f"s{number}", values)


@pytest.mark.parametrize("is_rolled_up", [True, False], ids=["rolled up", "from the history"])
def test_the_panels(site: Site, is_rolled_up: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    fill(site)
    if is_rolled_up:
        roll_up_all(site)
    found = overview(site)
    assert found.stats.counts == stats(site).counts
    assert found.ended == {
        "completed": {"hour": 42, "day": 42, "week": 42},
        "failed": {"hour": 2, "day": 2, "week": 2},
    }
    shown = [(name, each.completed, each.failed) for name, each in found.types]
    assert shown == [
        ("type-7", 9, 0),
        ("type-6", 8, 0),
        ("type-5", 7, 0),
        ("type-4", 6, 0),
        ("type-3", 5, 0),
        ("type-0", 0, 2),
    ]
    assert sum(found.types[0][1].points) == 9
    assert found.types[0][1].per_minute == 9 / 60
    assert found.types[0][1].run_p95 is not None
    assert [vars(each) for each in found.failures] == [
        vars(each) for each in failures(site, None, SHOWN)
    ]
    assert [each["name"] for each in found.schedules] == [f"s{n}" for n in range(SHOWN)]
    assert 3500 < float(found.schedules[0]["seconds"]) <= 3600


@pytest.mark.parametrize("period", PERIODS)
def test_the_series(site: Site, period: str) -> None:
    fill(site)
    found = overview(site, period).series
    assert (found.step_seconds, len(found.points)) == (
        series(site, period).step_seconds,
        len(series(site, period).points),
    )
    assert sum(point["completed"] for point in found.points) == 42


def test_the_workers(site: Site) -> None:
    fill(site)
    change(site, f"UPDATE workers SET last_seen_at = {ago(site, 3600)} WHERE id = 'w'")
    workers.register(site, "gone", {"host": "web12", "metadata": {"a": 1}})
    workers.deregister(site, "gone")
    found = overview(site)
    assert found.workers_alive == 1
    told = {each.told["id"]: each for each in found.workers or ()}
    assert {name: each.state for name, each in told.items()} == {
        "busy": "alive",
        "w": "silent",
        "gone": "left",
    }
    assert told["busy"].held == len(told["busy"].tasks) == 3
    assert {each["type"] for each in told["busy"].tasks} == {"type-3"}
    assert (told["w"].held, told["w"].day.completed, told["w"].day.failed) == (0, 42, 2)
    assert told["w"].day.mean_seconds is not None
    assert told["gone"].told["metadata"] == {"a": 1}


def test_the_verdict_is_the_one_that_stands_alone(site: Site) -> None:
    fill(site)
    make(site, "type-2", 20)
    end(site, failed=5, completed=16)  # with the one of type-3 that waited
    task_types.set_paused(site, "type-2", True)
    alone, here = verdict(site), overview(site).verdict
    assert [vars(each) for each in here.troubles] == [vars(each) for each in alone.troubles]
    assert [each.code for each in here.troubles] == ["type_failing"]


def test_what_is_rolled_up_between_two_readings_is_told_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    fill(site)
    read_more = module.read_more

    def rolled_up_meanwhile(*arguments: object) -> object:
        roll_up_all(site)
        return read_more(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_more", rolled_up_meanwhile)
    found = overview(site)
    assert {name: each.completed for name, each in found.types}["type-7"] == 9


def test_a_key_for_some_types(site: Site) -> None:
    fill(site)
    access = Access(1, "some", ["read"], ["type-1", "type-2"])
    found = overview(site, "day", access)
    assert [name for name, _ in found.types] == ["type-2", "type-1"]
    assert found.ended["completed"] == {"hour": 7, "day": 7, "week": 7}
    assert (found.workers, found.workers_alive) == (None, None)
    assert len(found.schedules) == SHOWN
    assert overview(site, access=Access(1, "other", ["read"], ["type-2"])).schedules == []
    assert found.failures == []


def test_without_a_history(database_url: str) -> None:
    site = site_at(database_url, ENABLE_TASK_HISTORY=False)
    fill(site)
    found = overview(site)
    assert found.stats.counts["completed"] == 42
    assert found.ended["completed"] == {"hour": None, "day": None, "week": None}
    assert found.types == []
    site.db.close()


def test_an_empty_queue(site: Site) -> None:
    found = overview(site)
    assert found.verdict.is_well
    assert (found.types, found.failures, found.workers, found.schedules) == ([], [], [], [])


def test_tables_of_an_earlier_version(site: Site) -> None:
    overview(site)
    name = "WHERE name = 'schema_version'"
    change(site, f"UPDATE settings SET value = '{SCHEMA_VERSION - 1}' {name}")
    try:
        with pytest.raises(OldTables, match="run the upgrade"):
            overview(site)
    finally:
        change(site, f"UPDATE settings SET value = '{SCHEMA_VERSION}' {name}")


def test_round_trips(mariadb_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    fill(mariadb_site)
    roll_up_all(mariadb_site)
    wire = Wire(monkeypatch)
    assert wire.count(lambda: overview(mariadb_site))[0] <= 7
    assert wire.count(lambda: verdict(mariadb_site))[0] <= 6
