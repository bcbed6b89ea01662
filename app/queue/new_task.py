"""New tasks on their way into the table: what was asked for, and what is added to it."""

from __future__ import annotations

from app import json_text
from app.errors import Invalid, TooLarge
from app.queue import dedupe as deduplication
from app.queue import lanes
from app.queue.task_fields import STORED_AS_GIVEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.config import Settings
    from app.db.connection import Row
    from app.site import Site


class NewTask:
    """One task to be made. ``where`` is how errors name it: empty, or like ``tasks[3].``.

    ``dedupe`` None leaves it to the type, then to "forever"; ``run_at`` is a stored time and
    ``delay`` seconds, at most one of them given. ``as_given`` are the fields that are stored as
    they are given, by their names in ``task_fields``.
    """

    def __init__(
        self,
        type: str,
        params: dict[str, Any],
        where: str = "",
        *,
        priority: int | None = None,
        run_at: str | None = None,
        delay: float | None = None,
        max_attempts: int | None = None,
        dedupe: Any = None,
        dedupe_key: str | None = None,
        **as_given: Any,
    ) -> None:
        self.type = type
        self.params = params
        self.where = where
        self.priority = priority
        self.run_at = run_at
        self.delay = delay
        self.max_attempts = max_attempts
        self.dedupe = dedupe
        self.dedupe_key = dedupe_key
        unknown = set(as_given) - {field.name for field, _ in STORED_AS_GIVEN}
        if unknown:
            raise TypeError(f"a task is not made with {', '.join(sorted(unknown))}")
        self.as_given = as_given

    def invalid(self, field: str, message: str) -> Invalid:
        path = f"{self.where}{field}"
        return Invalid(f"{path} {message}", [{"path": path, "message": message}])


class Created:
    """What became of a new task: its ``row`` as far as it is known, and whether an equal one
    existed (``deduplicated``). ``created_at`` is known only of what was made.
    """

    def __init__(self, type: str, row: Row, deduplicated: bool) -> None:
        self.id: int = row["id"]
        self.row = {**row, "type": type}
        self.deduplicated = deduplicated


class Draft:
    """A new task with what can be said of it before its type is known."""

    def __init__(self, site: Site, task: NewTask) -> None:
        self.task = task
        self.params_json = _params_json(site, task)
        self.key: str | None = None
        if task.dedupe is not False:
            self.key = task.dedupe_key or deduplication.key_of(task.type, task.params)


class TypedDraft:
    """A draft with what its type adds."""

    def __init__(self, draft: Draft, type_row: Row) -> None:
        self.task = draft.task
        self.params_json = draft.params_json
        self.type = type_row
        self.scope = self._scope()
        self.unique_key = None if self.scope is False else draft.key
        self._concurrency_key = draft.task.as_given.get("concurrency_key")
        self.ready_status = lanes.ready_status(type_row, self._concurrency_key)
        self.ready_slot = lanes.ready_slot(type_row, self._concurrency_key)

    def is_ready_for(self, type_row: Row) -> bool:
        """Whether the limits that its type has now hold it back just as those did."""
        return self.ready_status == lanes.ready_status(type_row, self._concurrency_key)

    def _scope(self) -> Any:
        if self.task.dedupe is not None:
            return self.task.dedupe
        of_type = json_text.loads(self.type["dedupe_json"])
        # A key that the caller gave always counts; a type's False is about the computed one.
        if of_type is False and self.task.dedupe_key:
            return "forever"
        return "forever" if of_type is None else of_type

    @property
    def priority(self) -> int:
        of_type = self.type["priority"]
        return self.task.priority if self.task.priority is not None else (of_type or 0)

    def max_attempts(self, settings: Settings) -> int:
        most: int = (
            self.task.max_attempts or self.type["max_attempts"] or settings.max_task_attempts
        )
        return most

    def long_texts(self) -> list[str]:
        """The values that may make a statement too long."""
        return [self.params_json, *(self.task.as_given.get("tags") or ())]


def _params_json(site: Site, task: NewTask) -> str:
    try:
        text = json_text.dumps(task.params)
    except ValueError:
        raise task.invalid("params", "holds NaN or Infinity, which JSON does not have") from None
    size = len(text.encode("utf-8"))
    if size > site.settings.max_params_bytes:
        raise TooLarge(
            f"{task.where}params has {size} bytes and may have "
            f"{site.settings.max_params_bytes} (MAX_PARAMS_BYTES): "
            "store the data elsewhere and pass its address"
        )
    return text
