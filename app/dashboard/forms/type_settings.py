"""The limits and defaults of a type as fields of a form, and as the API takes them."""

from __future__ import annotations

from app.api import serializers
from app.api.endpoints.task_types import RETAINED, SETTINGS
from app.api.fields import Fields
from app.dashboard.forms.task_options import number_or_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from app.config import Settings
    from app.dashboard.page_request import Form

    Row = Mapping[str, Any]

FOR_EVER = ("forever", "for ever", "ever")
OPTIONS = Fields({}, **SETTINGS)


class TypeSetting:
    """A field. ``name`` is the API's; ``fallback`` is what counts while it is empty."""

    def __init__(
        self, name: str, label: str, hint: str, fallback: Callable[[Settings], object]
    ) -> None:
        self.name = name
        self.label = label
        self.hint = hint
        self.fallback = fallback


TYPE_SETTINGS = (
    TypeSetting(
        "max_attempts",
        "Max attempts",
        "How often a task is tried.",
        lambda settings: settings.max_task_attempts,
    ),
    TypeSetting(
        "timeout",
        "Timeout",
        "Seconds that an attempt may take, and its lease.",
        lambda settings: settings.task_claim_timeout,
    ),
    TypeSetting(
        "retry_delay",
        "Retry delay",
        "Seconds before the second attempt. Each further wait is twice as long.",
        lambda settings: settings.retry_delay,
    ),
    TypeSetting(
        "retry_max_delay",
        "Longest retry delay",
        "Seconds.",
        lambda settings: settings.retry_max_delay,
    ),
    TypeSetting(
        "priority",
        "Priority",
        "Of tasks that name none. Higher ones are claimed first.",
        lambda settings: 0,
    ),
    TypeSetting(
        "max_running",
        "Max running",
        "How many of its tasks may run at once, whoever claims them.",
        lambda settings: "no limit",
    ),
    TypeSetting(
        "max_per_key",
        "Max per key",
        "How many of its tasks with the same concurrency key may run at once.",
        lambda settings: "no limit",
    ),
)
"""Those with a line each, in the order of the form, named as the API names them."""


def _days(value: float | None) -> str:
    return "for ever" if value is None else f"{value:g}"


RATE = (
    TypeSetting("tasks", "Rate: at most so many", "Tasks that are claimed …", lambda s: "no limit"),
    TypeSetting("seconds", "Rate: in so many seconds", "… in any such time.", lambda s: ""),
)

RETENTION = (
    TypeSetting("completed", "Completed tasks", "", lambda s: _days(s.retain_completed_days)),
    TypeSetting("failed", "Failed tasks", "", lambda s: _days(s.retain_failed_days)),
    TypeSetting("cancelled", "Cancelled tasks", "", lambda s: _days(s.retain_cancelled_days)),
    TypeSetting("result", "Results", "", lambda s: _days(s.retain_result_days)),
)
assert tuple(each.name for each in RETENTION) == RETAINED

DEDUPE_CHOICES = (
    ("", "forever, unless a create says otherwise"),
    ("forever", "forever"),
    ("active", "while one is unfinished"),
    ("false", "never: each create makes a task"),
)


class TypeSettingsForm:
    """What is in the fields of a type, by their names, and the ``errors`` below them."""

    def __init__(self, row: Row, settings: Settings) -> None:
        self._settings = settings
        self.numbers = TYPE_SETTINGS
        self.rate = RATE
        self.retention = RETENTION
        self.errors: dict[str, list[str]] = {}
        shown = serializers.task_type(row)
        retained, dedupe = shown["retention"] or {}, shown["dedupe"]
        rate = shown["rate"] or {}
        self.values = {each.name: _shown(shown[each.name]) for each in self.numbers}
        self.values["description"] = row["description"] or ""
        self.values["dedupe"] = "" if dedupe is None else _shown(dedupe)
        for each in RATE:
            self.values[f"rate.{each.name}"] = _shown(rate.get(each.name))
        for each in RETENTION:
            is_set = each.name in retained
            self.values[f"retention.{each.name}"] = _days(retained[each.name]) if is_set else ""

    @property
    def dedupe_choices(self) -> list[tuple[str, str]]:
        """With the type's own, where that is a number of seconds."""
        now = self.values["dedupe"]
        own = [] if now in dict(DEDUPE_CHOICES) else [(now, f"for {now} seconds")]
        return [*DEDUPE_CHOICES, *own]

    def fallback(self, setting: TypeSetting) -> str:
        value = setting.fallback(self._settings)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def take(self, form: Form) -> TypeSettingsForm:
        for name in self.values:
            self.values[name] = form.get(name)
        return self

    def read(self) -> dict[str, Any]:
        """The options as ``task_types`` stores them; None goes back to the server's. Raises Invalid
        with the names of the API.
        """
        given: dict[str, Any] = {
            each.name: number_or_text(self.values[each.name]) for each in self.numbers
        }
        given["description"] = self.values["description"].replace("\r\n", "\n")
        dedupe = self.values["dedupe"]
        given["dedupe"] = False if dedupe == "false" else number_or_text(dedupe)
        given["rate"] = self._filled("rate", RATE)
        given["retention"] = self._retention()
        filled = {name: value for name, value in given.items() if value not in ("", {})}
        read, _ = OPTIONS.read(filled, self._settings)
        return {name: read.get(name) for name in given}

    def tell(self, errors: list[dict[str, str]]) -> None:
        for error in errors:
            self.errors.setdefault(error["path"], []).append(error["message"])

    def _filled(self, name: str, parts: Sequence[TypeSetting]) -> dict[str, Any]:
        texts = {each.name: self.values[f"{name}.{each.name}"] for each in parts}
        return {part: number_or_text(text) for part, text in texts.items() if text}

    def _retention(self) -> dict[str, Any]:
        texts = {each.name: self.values[f"retention.{each.name}"] for each in RETENTION}
        return {
            name: None if text.lower() in FOR_EVER else number_or_text(text)
            for name, text in texts.items()
            if text
        }


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
