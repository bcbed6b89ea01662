"""The order ``fair``: within one priority, no type keeps another waiting."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.queue import fair_turns, task_types
from app.queue import pause as pausing
from app.queue.claim import ClaimRequest, claim
from app.queue.claim_order import FAIR, Order
from app.queue.eligible_types import FEW_TYPES, Filter
from app.site import Site
from tests.support.queue import register

pytestmark = pytest.mark.usefixtures("no_upkeep")

MANY = 3_000
"""Far more than a claim looks at."""

TEN = 10


def send(site: Site, sql: str, **values: Any) -> Any:
    return site.db.run(lambda connection: connection.query(sql, values))


@pytest.fixture(autouse=True)
def _no_turns(site: Site) -> Iterator[None]:
    yield
    send(site, f"DELETE FROM settings WHERE name LIKE '{fair_turns.ROWS}%'")


def add(site: Site, type_id: int, count: int, priority: int = 0) -> None:
    """So many pending tasks."""
    sql = site.db.dialect
    cells = f"({type_id}, 'pending', {-priority}, 0, 3, 0, {sql.now}, '{{}}')"
    for size in [1000] * (count // 1000) + [count % 1000]:
        if size:
            send(
                site,
                "INSERT INTO tasks (type_id, status, urgency, attempts, max_attempts, "
                f"cancel_requested, created_at, params_json) VALUES {', '.join([cells] * size)}",
            )


def take(site: Site, limit: int = 1, worker: str = "w", **filters: Any) -> list[str]:
    """The types of the tasks that a fair claim takes."""
    request = ClaimRequest(worker, limit, 60, Filter(**filters), Order(FAIR))
    return [task["type"] for task in claim(site, request).tasks]


def types(site: Site, *names: str) -> list[int]:
    return [register(site, name) for name in names]


class TestTheSmallBesideTheLarge:
    @pytest.fixture(autouse=True)
    def _tasks(self, site: Site) -> None:
        large, small = types(site, "large", "small")
        add(site, large, MANY)
        add(site, small, TEN)

    def test_ten_are_done_within_twenty_claims(self, site: Site) -> None:
        taken = [take(site) for _ in range(20)]
        assert taken == [["large"], ["small"]] * 10
        assert take(site) == ["large"]

    def test_whoever_claims(self, site: Site) -> None:
        taken = [take(site, worker=f"w{n % 4}")[0] for n in range(20)]
        assert Counter(taken) == {"large": 10, "small": 10}

    def test_several_at_once(self, site: Site) -> None:
        """Each may be a task behind the others that claim at the same moment."""
        workers = 4
        with ThreadPoolExecutor(workers) as pool:
            calls = [pool.submit(take, site, 1, f"w{n % workers}") for n in range(20 + workers)]
            taken = list(itertools.chain(*(each.result() for each in calls)))
        assert len(taken) == 20 + workers
        assert taken.count("small") == TEN

    @pytest.mark.parametrize("limit", [2, 3, 7, 20, 100])
    def test_in_batches(self, site: Site, limit: int) -> None:
        taken = list(itertools.chain(*(take(site, limit) for _ in range(-(-20 // limit)))))
        assert taken[:20].count("small") == TEN

    def test_behind_many_registered_types_without_tasks(self, site: Site) -> None:
        types(site, *(f"empty-{n}" for n in range(FEW_TYPES * 4)))
        (last,) = types(site, "last")
        add(site, last, TEN)
        taken = [take(site)[0] for _ in range(30)]
        assert Counter(taken) == {"large": 10, "small": 10, "last": 10}

    def test_the_strict_order_is_as_it_was(self, site: Site) -> None:
        found = claim(site, ClaimRequest("w", 30, 60)).tasks
        assert {task["type"] for task in found} == {"large"}

    def test_a_type_that_comes_back_has_its_turn_and_no_more(self, site: Site) -> None:
        for _ in range(30):
            take(site)
        add(site, register(site, "small"), MANY)
        taken = [take(site)[0] for _ in range(10)]
        assert Counter(taken) == {"large": 5, "small": 5}


class TestManyTypes:
    COUNT = 120

    @pytest.fixture
    def ids(self, site: Site) -> list[int]:
        ids = types(site, *(f"t{n:03}" for n in range(self.COUNT)))
        for each in ids:
            add(site, each, 12)
        return ids

    def test_each_has_its_turn_before_any_has_two(self, site: Site, ids: list[int]) -> None:
        for _ in range(2):
            taken = [take(site)[0] for _ in range(self.COUNT)]
            assert len(set(taken)) == self.COUNT

    def test_in_batches_too(self, site: Site, ids: list[int]) -> None:
        counts = Counter(itertools.chain(*(take(site, 40) for _ in range(9))))
        assert sum(counts.values()) == 360
        assert len(counts) >= 60
        assert max(counts.values()) <= 10

    def test_a_claim_takes_a_bounded_number_of_steps(
        self, site: Site, ids: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if all but one may not be claimed now, or have tasks of lower priority alone."""
        steps = count_steps(monkeypatch)
        pausing.set_types_paused(site, "t0%", True)
        (high,) = types(site, "high")
        add(site, high, 50, priority=5)
        for _ in range(20):
            steps.clear()
            assert take(site) == ["high"]
            assert len(steps) <= fair_turns.MOST_STEPS

    def test_those_behind_many_paused_types_have_their_turn(
        self, site: Site, ids: list[int]
    ) -> None:
        pausing.set_types_paused(site, "t%", True)
        for type_id, count in zip(types(site, "a", "z"), (MANY, TEN)):
            add(site, type_id, count)
        assert Counter(take(site)[0] for _ in range(20)) == {"a": 10, "z": 10}

    def test_one_claim_goes_on_where_the_last_one_came_to(self, site: Site, ids: list[int]) -> None:
        """With many other types that it may take from, it does not get past the paused ones."""
        types(site, *(f"empty-{n}" for n in range(FEW_TYPES + 1)))
        pausing.set_types_paused(site, "t%", True)
        for type_id, count in zip(types(site, "a", "z"), (MANY, TEN)):
            add(site, type_id, count)
        claims_a_round = self.COUNT // fair_turns.MOST_STEPS + 3
        assert Counter(take(site)[0] for _ in range(2 * claims_a_round))["z"] >= 2


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    steps: list[int] = []
    step = fair_turns.FairCandidates._step

    def counted(self: Any, low: int, high: int | None) -> Any:
        steps.append(low)
        return step(self, low, high)

    monkeypatch.setattr(fair_turns.FairCandidates, "_step", counted)
    return steps


class TestWhatElseAClaimMustKeepTo:
    @pytest.fixture
    def ids(self, site: Site) -> list[int]:
        ids = types(site, "a", "b", "c", "d")
        for each in ids:
            add(site, each, 100)
        return ids

    def test_priorities_come_first(self, site: Site, ids: list[int]) -> None:
        add(site, ids[1], 3, priority=1)
        add(site, ids[3], 2, priority=1)
        assert take(site, 5) == ["b", "d", "b", "d", "b"]
        assert take(site, 4) == ["a", "b", "c", "d"]

    def test_what_is_urgent_in_between_does_not_stop_the_turns(
        self, site: Site, ids: list[int]
    ) -> None:
        taken = []
        for _ in range(8):
            add(site, ids[0], 1, priority=1)
            assert take(site) == ["a"]
            taken += take(site)
        assert Counter(taken) == {"a": 2, "b": 2, "c": 2, "d": 2}

    def test_workers_of_other_types_do_not_stop_them(self, site: Site, ids: list[int]) -> None:
        pairs = [
            (take(site, task_types=["a", "b"]), take(site, type_pattern="_")) for _ in range(8)
        ]
        assert Counter(pair[0][0] for pair in pairs) == {"a": 4, "b": 4}
        assert Counter(pair[1][0] for pair in pairs) == {"a": 2, "b": 2, "c": 2, "d": 2}

    def test_paused_types(self, site: Site, ids: list[int]) -> None:
        task_types.set_paused(site, "b", True)
        assert [take(site)[0] for _ in range(6)] == ["a", "c", "d"] * 2
        assert take(site, 6) == ["a", "c", "d", "a", "c", "d"]

    def test_max_running(self, site: Site, ids: list[int]) -> None:
        register(site, "b", max_running=2)
        assert take(site, 8) == ["a", "b", "c", "d", "a", "b", "c", "d"]
        assert "b" not in take(site, 8)
        assert [take(site)[0] for _ in range(6)].count("b") == 0

    @pytest.mark.parametrize("many", [0, FEW_TYPES * 2])
    def test_max_running_among_many_types(self, site: Site, ids: list[int], many: int) -> None:
        types(site, *(f"empty-{n}" for n in range(many)))
        for name in ("a", "b", "c"):
            register(site, name, max_running=1)
        assert [take(site)[0] for _ in range(6)] == ["a", "b", "c", "d", "d", "d"]

    def test_one_type_alone(self, site: Site) -> None:
        (only,) = types(site, "only")
        add(site, only, 200)
        assert take(site, 100) == ["only"] * 100
        assert take(site, 100) == ["only"] * 100
        assert take(site) == []

    def test_a_batch_takes_all_that_there_is(self, site: Site, ids: list[int]) -> None:
        add(site, ids[2], 7, priority=-1)
        taken = [len(take(site, 90)) for _ in range(6)]
        assert taken == [90, 90, 90, 90, 47, 0]

    def test_a_type_with_few_leaves_its_turns_to_the_others(self, site: Site) -> None:
        for type_id, count in zip(types(site, "a", "b", "c"), (30, 1, 30)):
            add(site, type_id, count)
        assert take(site, 7) == ["a", "b", "c", "a", "c", "a", "c"]
        assert take(site, 3) == ["a", "c", "a"]

    def test_nothing_is_written_where_the_turn_stays(self, site: Site) -> None:
        (only,) = types(site, "only")
        add(site, only, 50)
        take(site)
        before = send(site, "SELECT * FROM settings ORDER BY name")
        take(site)
        assert send(site, "SELECT * FROM settings ORDER BY name") == before
