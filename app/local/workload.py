"""What a workload is: tasks to add, and how to show what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from app.local.console import Console, printable

Task = dict[str, Any]


class Workload(Protocol):
    """Tasks to add, and how to show what became of them."""

    type_filter: str

    def check(self) -> None:
        """Raises StepFailed when it cannot be run."""

    def tasks(self) -> Iterator[Task]:
        """The tasks to add, in order."""

    def report(self, tasks: list[Task], console: Console) -> None:
        """Show the tasks after the worker ended, in the order in which they were added."""


def outcome(task: Task) -> str:
    """A task's result, or why there is none, on one line."""
    if task["status"] == "completed":
        return printable(json.dumps(task["result"], ensure_ascii=False))
    return printable(str(task["error_message"] or ""))
