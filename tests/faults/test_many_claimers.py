"""Many claimers at once: each task to exactly one, none left, no error."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import pytest

from app.queue.claim import CONTENTION_SECONDS
from tests.faults.calls import create, create_plain, ids_with_status, post, register
from tests.faults.client_pool import ClientPool
from tests.support.server import Server

EVERY_WAY = [
    "claim_singly",
    "claim_in_batches",
    "claim_while_completing",
    "claim_while_settling",
]


def test_sixteen_claimers_share_two_thousand_tasks(farm: Server, pool: ClientPool) -> None:
    created = create_plain(farm, 2000)
    pool.start(EVERY_WAY * 4)
    pool.join()

    claimed = Counter(event["id"] for event in pool.events("claimed"))
    assert sorted(claimed) == sorted(created)
    assert set(claimed.values()) == {1}
    assert {event["attempt"] for event in pool.events("claimed")} == {1}
    assert sorted(event["id"] for event in pool.events("completed")) == sorted(created)
    assert ids_with_status(farm, "completed") == set(created)
    # 404 is how a single claim hears that nothing is left.
    assert {event["status"] for event in pool.events("response")} <= {200, 404}


def test_every_claimer_gets_its_share(farm: Server, pool: ClientPool) -> None:
    """In one of a few rounds: in each of them the machine itself may have been unfair."""
    created: list[int] = []
    for _ in range(5):
        made = create_plain(farm, 400, first=len(created))
        created += made
        pool.start(["claim_singly"] * 8)
        pool.join()
        shares = Counter(event["by"] for event in pool.events("claimed") if event["id"] in made)
        if len(shares) == 8 and min(shares.values()) >= 400 / 8 / 5:
            break
    else:
        raise AssertionError(f"some claimers got next to nothing: {shares}")

    assert sorted(event["id"] for event in pool.events("claimed")) == sorted(created)
    assert {event["status"] for event in pool.events("response")} <= {200, 404}


@pytest.mark.parametrize("options", [{}, {"task_types": ["red", "green"]}, {"limit": 7}], ids=str)
def test_a_lone_claimer_gets_the_exact_order(farm: Server, options: dict[str, Any]) -> None:
    names = ["red", "green", "blue"]
    for name in names:
        register(farm, name)
    chance = random.Random(300)
    tasks: list[dict[str, Any]] = [
        {"type": chance.choice(names), "params": {"n": n}, "priority": chance.randint(-9, 9)}
        for n in range(300)
    ]
    wanted = options.get("task_types", names)
    ordered = sorted(
        (-task["priority"], task_id)
        for task_id, task in zip(create(farm, tasks), tasks)
        if task["type"] in wanted
    )
    time.sleep(CONTENTION_SECONDS)  # whoever claimed before is forgotten

    got: list[int] = []
    while len(got) < len(ordered):
        data = post(farm, "/tasks/claim", {"worker_id": "alone", **options})
        got += [each["id"] for each in (data["tasks"] if "limit" in options else [data])]
    assert got == [task_id for _, task_id in ordered]
    status, response = farm.call(
        "POST", "/tasks/claim", {"worker_id": "alone", **options, "limit": 1}
    )
    assert (status, response["data"]["tasks"]) == (200, [])
