"""Upkeep in the tests of the queue."""

from __future__ import annotations

import pytest

from app.queue import upkeep


@pytest.fixture
def no_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims find that no turn is due: what they send is their own."""
    monkeypatch.setattr(upkeep, "is_due", lambda seconds: False)
