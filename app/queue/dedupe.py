"""Deduplication: which tasks count as the same, and for how long."""

from __future__ import annotations

from app import json_text
from app.hashes import sha256
from app.queue.lanes import READY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Row, Statement

UNFINISHED = (*READY, "scheduled", "claimed")


def key_of(task_type: str, params: Any) -> str:
    """SHA-256 of the type and the canonical JSON of the params, in hexadecimal."""
    text = f"{task_type}\n{json_text.canonical(params)}"
    return sha256(text.encode("utf-8")).hexdigest()


def give_up_key(condition: str, values: dict[str, Any], scope: Any) -> Statement:
    """Free the key of a task for a later one. The task remembers it, because a retry must not run
    beside the later one.

    In the scope "active" only a task that has ended gives its key up, whatever was seen before.
    """
    ended = " AND status IN ('completed', 'failed', 'cancelled')" if scope == "active" else ""
    # MySQL reads what it has already assigned, so the key is emptied last.
    return (
        "UPDATE tasks SET former_dedupe_key = dedupe_key, dedupe_key = NULL "
        f"WHERE {condition}{ended}",
        values,
    )


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
