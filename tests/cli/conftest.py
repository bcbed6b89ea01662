"""Fixtures for commands."""

from __future__ import annotations

import pytest

from app.site import Site
from tests.cli.runner import Commands


@pytest.fixture
def commands(site: Site) -> Commands:
    """Commands on an empty queue in the tests' own process."""
    return Commands(site)
