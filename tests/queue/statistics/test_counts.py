"""The counts follow the tasks exactly, whatever happens and whenever the history is rolled up."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.errors import TryAgain
from app.queue.statistics import reading, roll_up
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.queue.statistics.random_calls import RandomCalls, check_counts, stored_counts
from tests.support.queue import site_at


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest rows are rolled up, too, as soon as they are committed."""
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)


def roll_up_all(site: Site) -> None:
    while roll_up.roll_up(site, Budget(60)):
        pass


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


class Clients:
    """Several clients at once, each in a thread with connections of its own. The first error of
    any of them fails the test.
    """

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._errors: list[BaseException] = []

    def run(self, works: list[Callable[[Site], None]]) -> None:
        threads = [
            threading.Thread(target=self._run, args=(work, self._urls[number % len(self._urls)]))
            for number, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _run(self, work: Callable[[Site], None], url: str) -> None:
        site = site_at(url)
        try:
            work(site)
        except BaseException as error:
            self._errors.append(error)
        finally:
            site.db.close()


def client(seed: int, calls: int) -> Callable[[Site], None]:
    def work(site: Site) -> None:
        own = RandomCalls(site, seed)
        for _ in range(calls):
            own.call()

    return work


def roller(turns: int) -> Callable[[Site], None]:
    def work(site: Site) -> None:
        for _ in range(turns):
            with contextlib.suppress(TryAgain):  # the other one is at it
                roll_up.roll_up(site, Budget(0))

    return work


def reader(times: int) -> Callable[[Site], None]:
    def work(site: Site) -> None:
        for _ in range(times):
            check_counts(site)

    return work


def test_eight_clients_at_once(
    site: Site, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading is exact at its moment; two others roll the history up."""
    monkeypatch.setattr(roll_up, "PIECE", 20)
    monkeypatch.setattr(reading, "SHORT_TAIL", 50)
    RandomCalls(site, 0).prepare()
    works: list[Any] = [client(seed, 60) for seed in range(8)]
    Clients([database_url]).run([*works, roller(60), roller(60), reader(40)])
    roll_up_all(site)
    assert check_counts(site).counts == stored_counts(site)
