"""Fixtures of the example clients' tests."""

from __future__ import annotations

import pytest

from tests.clients.support import example_types
from tests.support.server import Server
from tests.worker.support import Queue


@pytest.fixture
def queue(server: Server) -> Queue:
    """An empty queue that knows the example types; failed tasks may be tried again at once."""
    queue = Queue(server)
    for each in example_types():
        body = {**each, "retry_delay": 0.1}
        assert server.call("POST", "/task-types/register", body)[0] == 201
    return queue
