"""The tasks that are run without `--real`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from app.local.console import Console, printable, shortened, table
from app.local.workload import Task, outcome


class Demonstration:
    """A handful of tasks of each example type."""

    type_filter = "example.%"

    def check(self) -> None:
        """It can always be run."""

    def tasks(self) -> Iterator[Task]:
        """A few tasks of four types."""
        for message in ("hello", "a queue on cheap hosting", "¡olé!", "naïve café", ""):
            yield {"type": "example.echo", "params": {"message": message}}
        for text in ("quiet", "louder", "straße", "ångström", "done"):
            yield {"type": "example.uppercase", "params": {"text": text}}
        for a, b in ((1, 2), (40, 2), (-5, 5), (0.5, 0.25), (10**9, 1)):
            yield {"type": "example.math.add", "params": {"a": a, "b": b}}
        for seconds in (0.2, 0.3, 0.5, 0.7):
            yield {"type": "example.sleep", "params": {"seconds": seconds}}

    def report(self, tasks: list[Task], console: Console) -> None:
        """A table with one line a task."""
        rows = [["type", "params", "status", "result"]]
        for task in tasks:
            params = json.dumps(task["params"], ensure_ascii=False)
            rows.append(
                [task["type"], shortened(printable(params), 40), task["status"], outcome(task)]
            )
        for line in table(rows, console.width):
            console.line(line)
