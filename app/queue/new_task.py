"""New tasks on their way into the table: what was asked for, checked and completed."""

from __future__ import annotations

from app import json_text
from app.queue import dedupe
from app.queue.errors import Invalid, TooLarge
from app.queue.task_types import unknown_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.db.connection import Row
    from app.site import Site

ANYTHING = ("true", "{}", '{"type":"object"}')
"""Schemas that every params match: no need to load a validator."""


class NewTask:
    """One task to be made. ``where`` is how errors name it: empty, or like ``tasks[3].``.

    ``dedupe`` None leaves it to the type, then to "forever"; ``run_at`` is a stored time and
    ``delay`` seconds, at most one of them given.
    """

    def __init__(
        self,
        type: str,
        params: dict[str, Any],
        where: str = "",
        priority: int | None = None,
        run_at: str | None = None,
        delay: float | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        dedupe: Any = None,
        dedupe_key: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        self.type = type
        self.params = params
        self.where = where
        self.priority = priority
        self.run_at = run_at
        self.delay = delay
        self.max_attempts = max_attempts
        self.timeout = timeout
        self.dedupe = dedupe
        self.dedupe_key = dedupe_key
        self.tags = tags


class Created:
    """What became of a new task: its ``id``, ``status``, ``priority``, ``dedupe_key``, and
    whether an equal one existed (``deduplicated``). ``created_at`` only when made alone.
    """

    def __init__(self, id: int, status: str, priority: int, dedupe_key: str | None) -> None:
        self.id = id
        self.status = "pending" if status == "scheduled" else status
        self.priority = priority
        self.dedupe_key = dedupe_key
        self.deduplicated = False
        self.created_at: str | None = None


class Draft:
    """A new task with what its type adds, once ``attach_types`` gave it its type."""

    def __init__(self, site: Site, task: NewTask) -> None:
        self.task = task
        self.params_json = _params_json(site, task)
        self.key: str | None = None
        if task.dedupe is not False:
            self.key = task.dedupe_key or dedupe.key_of(task.type, task.params)
        self.type: Row = {}
        self.checked_by: str | None = None
        """The schema that ``params`` is known to match: a call that runs again checks once."""

    @property
    def scope(self) -> Any:
        if self.task.dedupe is not None:
            return self.task.dedupe
        of_type = json_text.loads(self.type["dedupe_json"])
        # A key that the caller gave always counts; a type's False is about the computed one.
        if of_type is False and self.task.dedupe_key:
            return "forever"
        return "forever" if of_type is None else of_type

    @property
    def unique_key(self) -> str | None:
        return None if self.scope is False else self.key

    @property
    def priority(self) -> int:
        of_type = self.type["priority"]
        return self.task.priority if self.task.priority is not None else (of_type or 0)


def _params_json(site: Site, task: NewTask) -> str:
    try:
        text = json_text.dumps(task.params)
    except ValueError:
        message = "holds NaN or Infinity, which JSON does not have"
        raise Invalid(
            f"{task.where}params {message}", [{"path": f"{task.where}params", "message": message}]
        ) from None
    size = len(text.encode("utf-8"))
    if size > site.settings.max_params_bytes:
        raise TooLarge(
            f"{task.where}params has {size} bytes and may have "
            f"{site.settings.max_params_bytes} (MAX_PARAMS_BYTES): "
            "store the data elsewhere and pass its address"
        )
    return text


def attach_types(site: Site, drafts: list[Draft], types: Sequence[Row]) -> None:
    """Give each draft its type and check it against that.

    Raises UnknownType, or Invalid with every validation error of every draft.
    """
    by_name = {row["name"]: row for row in types}
    missing = [draft.task for draft in drafts if draft.task.type not in by_name]
    if missing:
        details = [
            {"path": f"{task.where}type", "message": f"{task.type!r} is not registered"}
            for task in missing
        ]
        raise unknown_type(missing[0].type, details)
    for draft in drafts:
        draft.type = by_name[draft.task.type]
    errors = _validation_errors(site, drafts)
    if errors:
        raise Invalid(_summary(errors), errors)


def _summary(errors: list[dict[str, str]]) -> str:
    more = f" (and {len(errors) - 1} more, see details)" if len(errors) > 1 else ""
    return f"{errors[0]['path']}: {errors[0]['message']}{more}"


def _validation_errors(site: Site, drafts: list[Draft]) -> list[dict[str, str]]:
    """Of all drafts, in their order."""
    errors: list[list[dict[str, str]]] = [[] for _ in drafts]
    positions: dict[str, list[int]] = {}
    for position, draft in enumerate(drafts):
        schema_json = draft.type["param_schema_json"]
        if not draft.type["is_active"]:
            message = f"the task type {draft.task.type!r} is not active: activate or register it"
            errors[position] = [{"path": f"{draft.task.where}type", "message": message}]
        elif draft.checked_by != schema_json and schema_json not in ANYTHING:
            positions.setdefault(schema_json, []).append(position)
    if positions and site.settings.enable_schema_validation:
        from app.queue.validation import check_all

        check_all(drafts, positions, errors)
    return [error for each in errors for error in each]
