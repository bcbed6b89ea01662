"""A turn of upkeep: one claim of the site wins it, and no claim suffers from it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.config import from_values
from app.errors import DatabaseError
from app.queue import upkeep
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.new_task import NewTask
from app.queue.upkeep import turn
from app.queue.upkeep.turn import Budget, Duty
from app.site import Site
from tests.support.queue import register

AHEAD = 1_000_000.0
"""Seconds until a duty is due again, in tests in which it runs once."""


class Done:
    """A duty that counts how often it ran."""

    def __init__(self, name: str, seconds: float, work: Callable[[], bool] = lambda: False) -> None:
        self.runs = 0
        self._work = work
        self.duty = Duty(name, seconds, self._run)

    def _run(self, site: Site, budget: Budget) -> bool:
        self.runs += 1
        return self._work()


@pytest.fixture
def ready(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A queue with a task, where no turn was ever taken, and none comes by itself."""
    monkeypatch.setattr(upkeep, "TURN_SECONDS", AHEAD)
    send(site, "DELETE FROM settings WHERE name LIKE '%upkeep%'")
    register(site, "plain")
    create(site, [NewTask("plain", {})])
    return site


def send(site: Site, sql: str, **values: Any) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, values))


def use(monkeypatch: pytest.MonkeyPatch, *duties: Done) -> None:
    monkeypatch.setattr(turn, "DUTIES", tuple(each.duty for each in duties))


def claim_once(site: Site) -> list[Any]:
    return claim(site, ClaimRequest("w")).tasks


def set_turn(site: Site, seconds: float) -> None:
    """Let the next turn be due so many seconds from now."""
    values = {"name": upkeep.NEXT_TURN, "seconds": seconds}
    sql = f"UPDATE settings SET value = {site.db.dialect.after(':seconds')} WHERE name = :name"
    site.db.run(lambda connection: connection.send([(sql, values)]))


def overdue(site: Site, name: str = upkeep.NEXT_TURN) -> float | None:
    sql = f"SELECT {site.db.dialect.seconds_since('value')} AS s FROM settings WHERE name = :name"
    rows = send(site, sql, name=name)
    return rows[0]["s"] if rows else None


def test_the_first_claim_makes_the_row_and_the_next_takes_the_turn(
    ready: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Done("one", AHEAD)
    use(monkeypatch, done)
    assert len(claim_once(ready)) == 1
    assert overdue(ready) is not None
    assert done.runs == 0
    claim_once(ready)
    assert done.runs == 1
    assert -AHEAD - 1 < (overdue(ready) or 0) < -AHEAD / 2


def test_no_turn_before_it_is_due(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Done("one", 0)
    use(monkeypatch, done)
    for _ in range(5):
        claim_once(ready)
    assert done.runs == 1
    set_turn(ready, 0)
    claim_once(ready)
    assert done.runs == 2


def test_a_duty_runs_as_often_as_it_wants(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    often, seldom = Done("often", 0), Done("seldom", 60)
    use(monkeypatch, often, seldom)
    claim_once(ready)
    for _ in range(3):
        set_turn(ready, 0)
        claim_once(ready)
    assert (often.runs, seldom.runs) == (3, 1)
    send(ready, "UPDATE settings SET value = '2020-01-01 00:00:00' WHERE name = 'upkeep.seldom_at'")
    set_turn(ready, 0)
    claim_once(ready)
    assert (often.runs, seldom.runs) == (4, 2)


@pytest.mark.parametrize("value", ["2999-01-01 00:00:00.000", "no time", ""])
def test_a_time_of_a_wrong_clock_is_mended(
    ready: Site, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    done = Done("one", AHEAD)
    use(monkeypatch, done)
    claim_once(ready)
    claim_once(ready)
    send(ready, "UPDATE settings SET value = :value WHERE name LIKE '%upkeep%'", value=value)
    claim_once(ready)
    assert done.runs == 2
    assert -AHEAD - 1 < (overdue(ready) or 0) < -AHEAD / 2
    assert (overdue(ready, done.duty.due_at) or 0) < -AHEAD / 2


def test_what_fails_fails_no_claim(
    ready: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> bool:
        raise DatabaseError("the disk is full")

    def defect() -> bool:
        raise KeyError("a defect")

    done = [Done("broken", 0, broken), Done("defect", 0, defect), Done("last", 0)]
    use(monkeypatch, *done)
    turn.take_turn(ready)
    assert len(claim_once(ready)) == 1
    assert [each.runs for each in done] == [1, 1, 1]
    told = capfd.readouterr().err
    assert "upkeep, broken: the disk is full" in told
    assert "KeyError: 'a defect'" in told


def test_one_of_many_wins(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Done("one", 0)
    use(monkeypatch, done)
    turn.take_turn(ready)
    sites = [Site(ready.settings) for _ in range(8)]
    barrier = threading.Barrier(len(sites))

    def take(site: Site) -> None:
        site.db.run(lambda connection: connection.query("SELECT 1", {}))
        barrier.wait()
        turn.take_turn(site)

    for round_ in range(1, 6):
        set_turn(ready, 0)
        with ThreadPoolExecutor(len(sites)) as pool:
            list(pool.map(take, sites))
        assert done.runs == round_
    for each in sites:
        each.db.close()


def test_nobody_waits_for_another_turn(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another caller holds the row; on SQLite, which locks the whole file, the turn itself."""
    done = Done("one", 0)
    use(monkeypatch, done)
    turn.take_turn(ready)
    rival = Site(ready.settings)

    def hold(connection: Any) -> float:
        sql = "UPDATE settings SET value = value WHERE name = :name"
        connection.begin([(sql, {"name": upkeep.NEXT_TURN})])
        begun = time.monotonic()
        turn.take_turn(ready)
        connection.rollback()
        return time.monotonic() - begun

    assert rival.db.run(hold) < 1
    assert done.runs == 0
    turn.take_turn(ready)
    assert done.runs == 1
    rival.db.close()


def test_a_call_without_time_leaves_the_turn_to_others(
    ready: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Done("one", 0)
    use(monkeypatch, done)
    turn.take_turn(ready)
    hurried = Site(from_values({**_values(ready), "CALL_DEADLINE": 1}))
    turn.take_turn(hurried)
    hurried.db.close()
    assert done.runs == 0


def _values(site: Site) -> dict[str, Any]:
    return {"DATABASE_URL": site.settings.database_url}


def test_the_budget_is_shared() -> None:
    budget = Budget(60)
    assert not budget.is_spent
    assert not budget.share(2).is_spent
    assert Budget(0).is_spent
    assert Budget(0).share(3).is_spent
    assert not Budget(None).share(3).is_spent


def test_every_duty_can_be_run_at_once(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [Done("one", AHEAD), Done("two", AHEAD, lambda: True)]
    use(monkeypatch, *done)
    assert turn.run_duties(ready, turn.DUTIES, Budget(None))
    assert turn.run_duties(ready, turn.DUTIES[:1], Budget(None)) is False
    assert [each.runs for each in done] == [2, 1]


PROGRAM = """
import sys
from app.config import from_values
from app.site import Site
from app.queue.claim import ClaimRequest, claim
site = Site(from_values({"DATABASE_URL": sys.argv[1]}))
claim(site, ClaimRequest("w"))
print("app.queue.upkeep.turn" in sys.modules)
"""


@pytest.mark.parametrize(("seconds", "loaded"), [(19, "False"), (0, "True")])
def test_a_claim_without_a_turn_loads_nothing_of_it(
    ready: Site, seconds: float, loaded: str
) -> None:
    turn.take_turn(ready)
    set_turn(ready, seconds)
    command = [sys.executable, "-c", PROGRAM, ready.settings.database_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == loaded
