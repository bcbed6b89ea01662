"""Fixtures for workers that meet faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.worker.support import Queue, Workers
from tests.worker_faults.journal import Journal


@pytest.fixture
def queue(server: Server) -> Queue:
    return Queue(server)


@pytest.fixture
def workers(queue: Queue, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(tmp_path, queue.url, queue.key)
    yield started
    started.end()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Of the workers that run in the test's folder."""
    return Journal(tmp_path)
