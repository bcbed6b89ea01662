"""A type with ``max_running``: never more of its tasks are claimed at a time."""

from __future__ import annotations

import time

from tests.faults.calls import create, create_plain, ids_with_status, register
from tests.faults.client_pool import ClientPool, Event
from tests.support.net import until
from tests.support.server import Server

LIMIT = 3
RUSH_SECONDS = 120


def test_twelve_claimers_keep_to_the_limit(farm: Server, pool: ClientPool) -> None:
    register(farm, "limited", max_running=LIMIT)
    limited = set(create(farm, [{"type": "limited", "params": {"n": n}} for n in range(150)]))
    free = set(create_plain(farm, 60))
    pool.start(["claim_limited"] * 12)

    def is_over_the_limit() -> bool:
        return running(pool, free)[0] > LIMIT

    for _ in until(is_over_the_limit, RUSH_SECONDS, "claimers of more than the limit at once"):
        free |= set(create_plain(farm, 60, first=len(free)))
        time.sleep(0.5)
    pool.wait_until(
        lambda: ids_with_status(farm, "completed") == limited | free, "every task to be completed"
    )
    pool.tell_to_stop()
    pool.join()

    most, left = running(pool, limited)
    assert (most, left) == (LIMIT, 0)
    claims = [event["id"] for event in pool.events("claimed")]
    assert sorted(claims) == sorted(limited | free)
    assert {event["status"] for event in pool.events("response")} == {200}


def running(pool: ClientPool, ids: set[int]) -> tuple[int, int]:
    """How many of these tasks were surely claimed at the same time, at most, and how many still
    are: from the acknowledgement of the claim to the call that settles it.
    """
    steps = [(event, 1) for event in pool.events("claimed")]
    steps += [(event, -1) for event in pool.events("settling")]
    now = most = 0
    for event, step in sorted(steps, key=_time):
        if event["id"] in ids:
            now += step
            most = max(most, now)
    return most, now


def _time(step: tuple[Event, int]) -> float:
    return float(step[0]["at"])
