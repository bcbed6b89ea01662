"""What a key lets its caller do: its scopes, and the task types that it is for.

Functions of the queue take an ``Access | None``. None is the root key, which may do everything: its
calls, which are nearly all, do not even load this module.
"""

from __future__ import annotations

from app.errors import Forbidden
from app.queue.type_patterns import matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from app.db.connection import Row, Statement

SCOPES = ("read", "produce", "work", "admin")


class Access:
    """``key_id`` and ``name`` are of the key that was sent; ``type_patterns`` are None for a key of
    all types. ``is_use_due`` where its last use is to be noted.
    """

    def __init__(
        self,
        key_id: int,
        name: str,
        scopes: Sequence[str],
        type_patterns: Sequence[str] | None = None,
        is_use_due: bool = False,
    ) -> None:
        self.key_id = key_id
        self.name = name
        self.scopes = scopes
        self.type_patterns = type_patterns
        self.is_use_due = is_use_due

    def may(self, scope: str) -> bool:
        """Every key with a scope may read, and one with ``admin`` may do everything."""
        if scope == "read":
            return bool(self.scopes)
        return scope in self.scopes or "admin" in self.scopes

    @property
    def settles_only_own(self) -> bool:
        """Whether it changes only the tasks that were claimed with it."""
        return "admin" not in self.scopes

    def owns(self, task: Row) -> bool:
        """Whether it may settle this task, as far as the key that claimed it matters."""
        return not self.settles_only_own or task["claimed_key"] == self.key_id

    def sees(self, type_name: str) -> bool:
        if self.type_patterns is None:
            return True
        return any(matches(pattern, type_name) for pattern in self.type_patterns)

    def check_types(self, names: Iterable[str]) -> None:
        """Raises Forbidden for a type that the key is not for."""
        for name in names:
            if not self.sees(name):
                raise Forbidden(
                    f"The API key {self.name!r} is not for the task type {name!r}: it is for "
                    f"{', '.join(self.type_patterns or ())}"
                )

    def types(self, column: str = "task_types.name") -> Statement:
        """True of the types that the key is for, by the column of their name."""
        if self.type_patterns is None:
            return "1 = 1", {}
        arms = [
            f"{column} LIKE :own_type_{position} ESCAPE :own_escape"
            for position in range(len(self.type_patterns))
        ]
        values: dict[str, Any] = {
            f"own_type_{position}": pattern for position, pattern in enumerate(self.type_patterns)
        }
        return f"({' OR '.join(arms)})", {**values, "own_escape": "\\"}

    def tasks(self) -> Statement:
        """Ends a condition on ``tasks``: only those of the types that the key is for."""
        if self.type_patterns is None:
            return "", {}
        condition, values = self.types()
        return (
            " AND EXISTS (SELECT 1 FROM task_types "
            f"WHERE task_types.id = tasks.type_id AND {condition})",
            values,
        )
