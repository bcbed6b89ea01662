"""The same task created by many at the same instant: one task, and no error."""

from __future__ import annotations

from collections import defaultdict

from tests.faults.calls import ids_with_status
from tests.faults.client_pool import ClientPool
from tests.support.server import Server


def test_eight_clients_create_the_same_task_forty_times_each(
    farm: Server, pool: ClientPool
) -> None:
    pool.start(["create_identical"] * 8, count=1, times=40)
    pool.join()

    events = pool.events("created")
    assert len(events) == 8 * 40
    assert len({event["id"] for event in events}) == 1
    statuses = [event["status"] for event in events]
    assert sorted(set(statuses)) == [200, 201]
    assert statuses.count(201) == 1
    assert ids_with_status(farm, "pending") == {events[0]["id"]}


def test_races_for_each_of_many_tasks(farm: Server, pool: ClientPool) -> None:
    """All come to each new task at about the same time, so that looks and inserts overlap."""
    pool.start(["create_identical"] * 8, count=40, times=1)
    pool.join()

    ids: dict[int, set[int]] = defaultdict(set)
    made: dict[int, int] = defaultdict(int)
    for event in pool.events("created"):
        ids[event["number"]].add(event["id"])
        made[event["number"]] += event["status"] == 201
    assert {number: len(each) for number, each in ids.items()} == dict.fromkeys(range(40), 1)
    assert dict(made) == dict.fromkeys(range(40), 1)
    assert {event["status"] for event in pool.events("response")} == {200, 201}
    assert ids_with_status(farm, "pending") == set.union(*ids.values())


def test_overlapping_batches_in_different_orders(farm: Server, pool: ClientPool) -> None:
    pool.start(["create_overlapping"] * 8, times=10, range=60, size=40)
    pool.join()

    assert {event["status"] for event in pool.events("response")} == {201}
    assert len(pool.events("created")) == 8 * 10 * 40
    ids: dict[int, set[int]] = defaultdict(set)
    fresh: dict[int, int] = defaultdict(int)
    for event in pool.events("created"):
        ids[event["number"]].add(event["id"])
        fresh[event["number"]] += event["fresh"]
    assert {number: len(each) for number, each in ids.items()} == dict.fromkeys(range(60), 1)
    assert dict(fresh) == dict.fromkeys(range(60), 1)
    assert ids_with_status(farm, "pending") == set.union(*ids.values())
