"""The queue in the tests' own process: its functions, called as the API calls them."""

from __future__ import annotations

from typing import Any

from app.config import from_values
from app.queue import task_types
from app.site import Site


def site_at(url: str, **settings: Any) -> Site:
    return Site(from_values({"DATABASE_URL": url, **settings}))


def register(site: Site, name: str, **options: Any) -> int:
    """A task type that takes any params; its id."""
    found: int = task_types.register(site, name, "1", {}, options)["id"]
    return found
