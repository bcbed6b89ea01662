"""New tasks against their types: that these exist, are active, and that params match the schema."""

from __future__ import annotations

from app.errors import Invalid
from app.queue.new_task import TypedDraft
from app.queue.task_types import deleted_type, unknown_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.db.connection import Row
    from app.queue.new_task import Draft
    from app.site import Site

    Errors = list[dict[str, str]]

NOT_DELETED: Row = {"archived_at": None}

ANYTHING = ("true", "{}", '{"type":"object"}')
"""Schemas that every params match: no need to load a validator."""


class TypeCheck:
    """The check of the drafts of one call. When the call runs again, what was found to match a
    schema is not checked against it once more.
    """

    def __init__(self, site: Site, drafts: Sequence[Draft]) -> None:
        self._validates = site.settings.enable_schema_validation
        self._drafts = drafts
        self._matches: list[str | None] = [None] * len(drafts)

    def typed(self, types: Sequence[Row]) -> list[TypedDraft]:
        """Each draft with its type. Raises UnknownType, or Invalid with every validation error of
        every draft.
        """
        by_name = {row["name"]: row for row in types}
        _refuse_deleted(self._drafts, by_name)
        missing = [draft.task for draft in self._drafts if draft.task.type not in by_name]
        if missing:
            details = [
                {"path": f"{task.where}type", "message": f"{task.type!r} is not registered"}
                for task in missing
            ]
            raise unknown_type(missing[0].type, details)
        typed = [TypedDraft(draft, by_name[draft.task.type]) for draft in self._drafts]
        errors = [error for each in self._errors(typed) for error in each]
        if errors:
            raise Invalid(_summary(errors), errors)
        return typed

    def _errors(self, typed: list[TypedDraft]) -> list[Errors]:
        """Those of each draft."""
        errors: list[Errors] = [[] for _ in typed]
        positions: dict[str, list[int]] = {}
        for position, draft in enumerate(typed):
            schema_json = draft.type["param_schema_json"]
            if not draft.type["is_active"]:
                name = draft.task.type
                message = f"the task type {name!r} is not active: activate or register it"
                errors[position] = draft.task.invalid("type", message).details
            elif self._matches[position] != schema_json and schema_json not in ANYTHING:
                positions.setdefault(schema_json, []).append(position)
        if positions and self._validates:
            from app.queue.validation import check_all

            for position, found in check_all(typed, positions).items():
                errors[position] = found
                if not found:
                    self._matches[position] = typed[position].type["param_schema_json"]
        return errors


def _refuse_deleted(drafts: Sequence[Draft], by_name: Mapping[str, Row]) -> None:
    """Raises UnknownType for a type that was deleted while it had ended tasks."""
    deleted = [
        draft.task
        for draft in drafts
        if by_name.get(draft.task.type, NOT_DELETED)["archived_at"] is not None
    ]
    if deleted:
        details = [
            {"path": f"{task.where}type", "message": f"{task.type!r} was deleted"}
            for task in deleted
        ]
        raise deleted_type(deleted[0].type, details)


def _summary(errors: Errors) -> str:
    more = f" (and {len(errors) - 1} more, see details)" if len(errors) > 1 else ""
    return f"{errors[0]['path']}: {errors[0]['message']}{more}"
