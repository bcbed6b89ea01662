"""What can be measured, each by name: a module with a function ``measure(run)``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from bench.run import Run

SCENARIOS = (
    "cycles",
    "floor",
    "servers",
    "growth",
    "fair",
    "schedules",
    "prunable",
    "limits",
    "settles",
    "creates",
    "lists",
    "statistics",
    "operating",
    "pages",
    "cold",
    "cron",
    "worker",
    "drain",
    "peers",
)

QUICK_SCENARIOS = SCENARIOS[:-1]
"""Without other queues, which have to be downloaded."""


def load(name: str) -> Callable[[Run], None]:
    measure: Callable[[Run], None] = import_module(f"bench.scenarios.{name}").measure
    return measure
