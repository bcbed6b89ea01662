"""Limits hold while sixteen workers race, and nothing is held back for ever."""

from __future__ import annotations

import os
import time

from app.queue import claim as claiming
from app.queue.claim import ClaimRequest
from app.queue.fencing import LeaseRef
from app.queue.settle import Completion, settle
from app.site import Site
from tests.faults.limit_race import LIMITS, patiently, race
from tests.model.invariants import broken
from tests.model.rows import read_rows
from tests.support.queue import site_at

SECONDS = float(os.environ.get("LIMIT_RACE_SECONDS", "10"))
"""How long the workers race. Set it for a longer race."""

DRAIN_SECONDS = 240


def test_no_limit_is_exceeded(database_url: str) -> None:
    seen = race([database_url], SECONDS)
    assert seen.errors == []
    assert seen.exceeded() == [], seen.table()
    assert seen.looks > 10
    assert set(seen.claims) == set(LIMITS), "each type has been claimed from"
    site = site_at(database_url)
    assert broken(read_rows(site)) == []
    drain(site)
    site.db.close()


def drain(site: Site) -> None:
    """Everything that is left can be done: nobody else does anything meanwhile."""
    ended = "('completed', 'failed', 'cancelled')"
    left = f"SELECT COUNT(*) AS total FROM tasks WHERE status NOT IN {ended}"
    ends_at = time.monotonic() + DRAIN_SECONDS
    while site.db.run(lambda connection: connection.query(left, {}))[0]["total"]:
        assert time.monotonic() < ends_at, broken(read_rows(site))
        for task in patiently(claiming.claim, site, ClaimRequest("last", 100, 60)).tasks:
            patiently(settle, site, [Completion(LeaseRef(task["id"], "last", None), None)])
        time.sleep(0.05)
