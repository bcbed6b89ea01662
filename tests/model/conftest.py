"""Queues whose clock stands still, one on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from app import config
from app.server.flask_app import create_app
from app.site import Site
from tests.api.caller import API_KEY, Api, way_of
from tests.support.stopped_clock import StoppedClock


class StoppedQueue(NamedTuple):
    api: Api
    clock: StoppedClock


@pytest.fixture
def stopped_queue(database_url: str) -> Iterator[StoppedQueue]:
    """An empty queue, called as a server calls it."""
    site = Site(config.from_values({"DATABASE_URL": database_url, "API_KEY": API_KEY}))
    flask_app = create_app(site)
    clock = StoppedClock(site)
    if site.db.url.engine == "sqlite":
        # Thousands of short transactions would wait for the disk most of the time.
        site.db.run(lambda connection: connection.send([("PRAGMA synchronous=OFF", {})]))
    yield StoppedQueue(Api(site, way_of("served", site, flask_app)), clock)
    clock.close()
    site.db.close()
