"""Percentiles of times in buckets."""

from __future__ import annotations

import random

import pytest

from app.queue.statistics.buckets import NO_TIME, PERCENTILES, SMALLEST, bucket_of, percentiles
from app.site import Site


def buckets(site: Site, times: list[float | None]) -> list[int]:
    sql = bucket_of(site.db.dialect, ":time")
    found = site.db.run(
        lambda connection: connection.send([(f"SELECT {sql} AS b", {"time": t}) for t in times])
    )
    return [int(result.rows[0]["b"]) for result in found]


def test_times_of_every_size(site: Site) -> None:
    times = [0.0015 * 1.37**n for n in range(80)]
    assert times[-1] > 86400 * 365
    for time, bucket in zip(times, buckets(site, times)):
        estimate = percentiles({bucket: 1})["p50"]
        assert estimate == pytest.approx(time, rel=0.1)


def test_very_small_times_and_none(site: Site) -> None:
    assert buckets(site, [None, -5.0, 0.0, SMALLEST / 2, SMALLEST]) == [NO_TIME, 0, 0, 0, 0]


@pytest.mark.parametrize("count", [1, 2, 10, 1000])
def test_percentiles(site: Site, count: int) -> None:
    chance = random.Random(count)
    times = sorted(chance.lognormvariate(0, 2) for _ in range(count))
    totals: dict[int, int] = {NO_TIME: 7}
    for bucket in buckets(site, list(times)):
        totals[bucket] = totals.get(bucket, 0) + 1
    found = percentiles(totals)
    for percent in PERCENTILES:
        exact = times[-(-count * percent // 100) - 1]
        assert found[f"p{percent}"] == pytest.approx(exact, rel=0.1)


def test_without_any_time() -> None:
    assert percentiles({}) == percentiles({NO_TIME: 3}) == {"p50": None, "p95": None, "p99": None}
