"""Many tasks that become due at once: claims go on, and take them back bit by bit."""

from __future__ import annotations

import pytest

from app.queue import claim as claiming
from app.queue import create as creating
from app.queue.claim import ClaimRequest
from app.queue.new_task import NewTask
from app.queue.upkeep.reclaim import BATCH, DueTasks
from app.site import Site
from tests.support.queue import register

WAITING = 30


@pytest.fixture
def waiting(site: Site) -> list[int]:
    register(site, "job")
    return create(site, WAITING)


def create(site: Site, count: int, **options: float) -> list[int]:
    tasks = [NewTask("job", {}, dedupe=False, **options) for _ in range(count)]
    return [each.id for each in creating.create(site, tasks)]


def create_due(site: Site, count: int) -> list[int]:
    """More urgent than those that wait."""
    ids = create(site, count, delay=1000.0, priority=5)
    sql = "UPDATE tasks SET due_at = '2020-01-01 00:00:00.000' WHERE due_at IS NOT NULL"
    site.db.run(lambda connection: connection.send([(sql, {})]))
    return ids


def claim(site: Site, limit: int = 1) -> list[int]:
    return [task["id"] for task in claiming.claim(site, ClaimRequest("w", limit)).tasks]


def count_due(site: Site) -> int:
    sql = "SELECT COUNT(*) AS due FROM tasks WHERE status = 'scheduled'"
    return int(site.db.run(lambda connection: connection.query(sql, {}))[0]["due"])


@pytest.fixture
def it_is_the_turn_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DueTasks, "is_left_to_others", lambda due: due.are_many)


@pytest.mark.usefixtures("it_is_the_turn_of_others")
def test_a_claim_goes_ahead_of_a_backlog(site: Site, waiting: list[int]) -> None:
    create_due(site, 2 * BATCH)
    assert claim(site, 5) == waiting[:5]
    assert count_due(site) == 2 * BATCH


@pytest.mark.usefixtures("it_is_the_turn_of_others")
def test_what_one_claim_can_take_back_comes_first(site: Site, waiting: list[int]) -> None:
    due = create_due(site, BATCH)
    assert waiting
    assert claim(site, 5) == due[:5]
    assert count_due(site) == 0


@pytest.mark.usefixtures("it_is_the_turn_of_others")
def test_a_claim_that_would_find_too_few_takes_back(site: Site, waiting: list[int]) -> None:
    create_due(site, 2 * BATCH)
    assert len(claim(site, WAITING + 1)) == WAITING + 1
    assert count_due(site) == BATCH
    assert waiting


def test_a_backlog_is_worked_off_by_claims(site: Site, waiting: list[int]) -> None:
    due = create_due(site, 5 * BATCH + 1)
    claimed: list[int] = []
    while len(claimed) < len(due) + len(waiting):
        found = claim(site, 20)
        assert found
        claimed += found
    assert sorted(claimed) == sorted(due + waiting)
    assert claim(site) == []


@pytest.mark.parametrize("turn", range(8))
def test_one_claim_in_eight_has_its_turn(turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queue.upkeep.reclaim.os.urandom", lambda _: bytes([turn]))
    many = DueTasks([{"id": number} for number in range(BATCH + 1)])
    assert many.is_left_to_others() is (turn != 0)
    assert not DueTasks([{"id": number} for number in range(BATCH)]).is_left_to_others()
