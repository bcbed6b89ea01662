"""The counts follow the tasks exactly, whatever happens and whenever the history is rolled up."""

from __future__ import annotations

import random

import pytest

from app.queue.statistics import reading, roll_up
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.queue.statistics.clients import client, reader, roll_up_all, roller, run_at_once
from tests.queue.statistics.random_calls import RandomCalls, check_counts, stored_counts


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest rows are rolled up, too, as soon as they are committed."""
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_calls(site: Site, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(roll_up, "PIECE", chance.choice([1, 7, 10_000]))
    calls = RandomCalls(site, seed)
    calls.prepare()
    for _ in range(150):
        calls.call()
        if chance.random() < 0.1:
            roll_up.roll_up(site, Budget(chance.choice([0, 60])))
        if chance.random() < 0.3:
            check_counts(site)
    roll_up_all(site)
    assert check_counts(site).counts == stored_counts(site)
    assert not check_counts(site).tail


def test_eight_clients_at_once(
    site: Site, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading is exact at its moment, while two others roll the history up."""
    monkeypatch.setattr(roll_up, "PIECE", 20)
    monkeypatch.setattr(reading, "SHORT_TAIL", 50)
    RandomCalls(site, 0).prepare()
    clients = [client(seed, 60) for seed in range(8)]
    run_at_once([database_url], [*clients, roller(60), roller(60), reader(40)])
    roll_up_all(site)
    assert check_counts(site).counts == stored_counts(site)
