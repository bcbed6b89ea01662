"""The counts on a cluster, whose nodes do not see each other's locks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.queue.statistics import reading, roll_up
from tests.queue.statistics.clients import client, reader, roll_up_all, roller, run_at_once
from tests.queue.statistics.random_calls import RandomCalls, check_counts, stored_counts
from tests.support.galera import Galera
from tests.support.queue import site_at

AGE = 2.0
"""Seconds after which rows are rolled up here. No call of this test takes that long."""


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    with Galera() as cluster:
        yield cluster.with_tables("tm_statistics")


def test_clients_at_all_nodes(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading is exact at its moment, while others roll the history up at every node."""
    seen: list[bool] = []

    def safe_age(connection: Any, site: Any) -> float:
        seen.append(connection.is_cluster)
        return AGE

    monkeypatch.setattr(roll_up, "safe_age", safe_age)
    monkeypatch.setattr(roll_up, "PIECE", 20)
    monkeypatch.setattr(reading, "SHORT_TAIL", 50)
    site = site_at(urls[0])
    RandomCalls(site, 0).prepare()
    clients = [client(seed, 60) for seed in range(6)]
    rollers = [roller(60) for _ in urls]
    run_at_once(urls, [*clients, *rollers, *[reader(15) for _ in urls]])
    time.sleep(AGE)
    roll_up_all(site)
    assert all(seen)
    assert check_counts(site).counts == stored_counts(site)
    site.db.close()
