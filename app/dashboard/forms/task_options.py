"""The fields of a form for a task besides its params: as text, and as the API takes them."""

from __future__ import annotations

import re

from app import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from app.dashboard.page_request import Form

    Errors = list[dict[str, str]]

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?", re.ASCII)
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
DEDUPE = {"forever": "forever", "active": "active", "never": False}

EDITED = ("priority", "max_attempts")
CREATED = (
    "priority",
    "delay",
    "unit",
    "run_at",
    "max_attempts",
    "timeout",
    "tags",
    "dedupe",
    "dedupe_key",
)


class TaskOptions:
    """What is in the fields with these ``names``, and the errors below them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.values: dict[str, str] = dict.fromkeys(names, "")
        self.errors: dict[str, list[str]] = {name: [] for name in names}

    @property
    def are_open(self) -> bool:
        """Whether something in them differs from how a form begins, so that it should be seen."""
        is_given = any(value for name, value in self.values.items() if name != "unit")
        return is_given or any(self.errors.values())

    def take(self, form: Form) -> TaskOptions:
        for name in self.values:
            self.values[name] = form.get(name)
        return self

    def given(self) -> dict[str, Any]:
        """The fields of the API that were filled in. What is not as it should be stays as it is,
        for the API to refuse.
        """
        given = {name: read(self.values) for name, read in READERS.items() if self.values.get(name)}
        if not given.get("tags", True):
            del given["tags"]
        return given

    def tell(self, errors: Errors) -> Errors:
        """Put each error to its field; returns those that have none here."""
        left = []
        for error in errors:
            if error["path"] in self.errors:
                self.errors[error["path"]].append(error["message"])
            else:
                left.append(error)
        return left


def number_or_text(text: str) -> Any:
    return json_text.parse(text) if NUMBER.fullmatch(text) else text


def _delay(values: dict[str, str]) -> Any:
    number = number_or_text(values["delay"])
    return number if isinstance(number, str) else number * UNITS.get(values["unit"], 1)


def _tags(values: dict[str, str]) -> list[str]:
    parts = re.split(r"[,\r\n]+", values["tags"])
    return [part.strip() for part in parts if part.strip()]


READERS: dict[str, Callable[[dict[str, str]], Any]] = {
    "priority": lambda values: number_or_text(values["priority"]),
    "delay": _delay,
    "run_at": lambda values: values["run_at"],
    "max_attempts": lambda values: number_or_text(values["max_attempts"]),
    "timeout": lambda values: number_or_text(values["timeout"]),
    "tags": _tags,
    "dedupe": lambda values: DEDUPE.get(values["dedupe"], values["dedupe"]),
    "dedupe_key": lambda values: values["dedupe_key"],
}
