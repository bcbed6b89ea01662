"""Round trips to the database of what has to do with statistics."""

from __future__ import annotations

import pytest

from app.queue.delete import delete
from app.queue.fencing import LeaseRef
from app.queue.settle import Failure, settle
from app.queue.statistics import roll_up
from app.queue.statistics.failures import failures
from app.queue.statistics.series import series
from app.queue.statistics.stats import stats
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.queue.statistics.clients import roll_up_all
from tests.queue.test_round_trips import Wire, claim, fill
from tests.support.queue import register


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, mariadb_site: Site) -> Wire:
    """On a warm connection, with failed tasks of three kinds, rolled up."""
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    register(mariadb_site, "plain")
    fill(mariadb_site, 10)
    errors = dict(zip(claim(mariadb_site, 3), ("a", "b", "c")))
    settle(
        mariadb_site,
        [Failure(LeaseRef(task, "w", 1), error, retry=False) for task, error in errors.items()],
    )
    roll_up_all(mariadb_site)
    return Wire(monkeypatch)


def test_reading(mariadb_site: Site, wire: Wire) -> None:
    assert wire.count(lambda: stats(mariadb_site))[0] <= 5
    assert wire.count(lambda: stats(mariadb_site, "plain"))[0] <= 5
    assert wire.count(lambda: series(mariadb_site, "week"))[0] <= 4
    assert wire.count(lambda: failures(mariadb_site, None, 100))[0] <= 6


def test_a_turn_with_little_to_do(mariadb_site: Site, wire: Wire) -> None:
    assert wire.count(lambda: roll_up.roll_up(mariadb_site, Budget(0)))[0] <= 5
    claim(mariadb_site, 5)
    assert wire.count(lambda: roll_up.roll_up(mariadb_site, Budget(0)))[0] <= 9


def test_deleting(mariadb_site: Site, wire: Wire) -> None:
    (task,) = fill(mariadb_site, 1)
    assert wire.count(lambda: delete(mariadb_site, task))[0] <= 4
