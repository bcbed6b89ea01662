"""The model of API keys with scopes: who may call, what a caller sees, whose tasks it may settle;
and of the audit log.
"""

from __future__ import annotations

from collections.abc import Collection

from tests.model.state import Key, Queue, Refused, Task

SCOPES = ("read", "produce", "work", "admin")
ROOT = "root key"
UNKNOWN_KEY = frozenset({"unauthorized", "rate_limited"})
"""What a caller is told whose key is not taken: the second after many of them."""


def refusal(queue: Queue, text: str, scope: str, of_all_types: bool) -> Collection[str]:
    """The codes with which a call is refused for its key; none when it may be made."""
    key = queue.key
    if key is None:
        return ()
    if not is_taken(queue, key, text):
        return UNKNOWN_KEY
    may = scope == "read" or scope in key.scopes or "admin" in key.scopes
    if not may or (of_all_types and key.type_patterns is not None):
        return ("forbidden",)
    return ()


def is_taken(queue: Queue, key: Key, text: str) -> bool:
    """Whether a text of the key opens anything now."""
    if key.revoked_at is not None or _has_expired(queue, key):
        return False
    is_old = text == key.previous_text and queue.now < (key.previous_until or 0)
    return text == key.text or is_old


def _has_expired(queue: Queue, key: Key) -> bool:
    return key.expires_at is not None and key.expires_at <= queue.now


def check_types(queue: Queue, names: Collection[str]) -> None:
    if not all(queue.sees(name) for name in names):
        raise Refused("forbidden")


def owns(queue: Queue, task: Task) -> bool:
    """Whether the caller may settle the task: with ``admin`` any, else what its own key claimed."""
    key = queue.key
    return key is None or "admin" in key.scopes or task.claimed_key == key.id


def actor(queue: Queue) -> str:
    return ROOT if queue.key is None else f"key {queue.key.name} (#{queue.key.id})"


def note(queue: Queue, action: str, target: object) -> None:
    """A line of the audit log."""
    queue.audit.append((actor(queue), action, None if target is None else str(target)))


def make(queue: Queue, key: Key) -> Key:
    """Raises Refused when a key that is not revoked has the name."""
    if any(each.name == key.name and each.revoked_at is None for each in queue.keys):
        raise Refused("conflict")
    queue.keys.append(key)
    note(queue, "key.make", key.name)
    return key


def rotate(queue: Queue, key: Key, text: str, grace: int) -> Key:
    if key.revoked_at is not None or _has_expired(queue, key):
        raise Refused("conflict")
    key.previous_text = key.text if grace else None
    key.previous_until = queue.now + grace if grace else None
    key.text = text
    note(queue, "key.rotate", key.name)
    return key


def revoke(queue: Queue, key: Key) -> Key:
    if key.revoked_at is None:
        key.revoked_at = queue.now
        key.previous_until = None
        note(queue, "key.revoke", key.name)
    return key
