"""Queues whose clock stands still, one on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from app import config
from app.queue.upkeep import turn
from app.server.flask_app import create_app
from app.site import Site
from tests.api.caller import API_KEY, Api, way_of
from tests.support.stopped_clock import StoppedClock


class StoppedQueue(NamedTuple):
    api: Api
    clock: StoppedClock


@pytest.fixture
def stopped_queue(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoppedQueue]:
    """An empty queue, called as a server calls it. Its claims leave the tasks of schedules to a
    step of the machine, so that the model knows when they are made.
    """
    others = tuple(each for each in turn.DUTIES if each.name != "schedules")
    monkeypatch.setattr(turn, "DUTIES", others)
    site = Site(config.from_values({"DATABASE_URL": database_url, "API_KEY": API_KEY}))
    flask_app = create_app(site)
    clock = StoppedClock(site)
    if site.db.url.engine == "sqlite":
        # Thousands of short transactions would wait for the disk most of the time.
        site.db.run(lambda connection: connection.send([("PRAGMA synchronous=OFF", {})]))
    yield StoppedQueue(Api(site, way_of("served", site, flask_app)), clock)
    clock.close()
    site.db.close()
