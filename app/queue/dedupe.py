"""Deduplication: which tasks count as the same, and for how long."""

from __future__ import annotations

import hashlib

from app.queue import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Row

UNFINISHED = ("pending", "scheduled", "claimed")


def key_of(task_type: str, params: Any) -> str:
    """SHA-256 of the type and the canonical JSON of the params, in hexadecimal."""
    text = f"{task_type}\n{jsontext.canonical(params)}"
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def still_counts(scope: Any, existing: Row) -> bool:
    """Whether an existing task with the same key makes a new one a duplicate.

    The newcomer's ``scope`` decides: ``"forever"``, ``"active"`` (while the existing one is
    unfinished) or a number of seconds since the existing one was made (``existing["age"]``).
    """
    if scope == "forever":
        return True
    if scope == "active":
        return existing["status"] in UNFINISHED
    return bool(existing["age"] < scope)
