"""The books of a chaos run's operator: what was told of its tasks, types and schedules is held
against the tables.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.faults.book_error import DOUBLED, LOST, BookError
from tests.faults.chaos_operator import EVERY_TIME
from tests.faults.client_pool import Event

Row = dict[str, Any]


class OperatorBooks:
    """``tasks`` are the rows by id; ``runs`` those of schedules, with their names."""

    def __init__(
        self,
        tasks: dict[int, Row],
        types: Iterable[str],
        runs: Iterable[Row],
        events: Callable[[str], list[Event]],
    ) -> None:
        self._tasks = tasks
        self._types = set(types)
        self._runs = list(runs)
        self._events = events
        self.changed = {event["id"] for event in events("changing")}
        """Tasks that the operator changed or tried to."""
        self.deleting = {event["id"] for event in events("changing") if event["what"] == "delete"}
        """Those of them that are to be gone."""

    def errors(self) -> Iterator[BookError]:
        yield from self._made()
        yield from self._deleted()
        yield from self._schedules()

    def _made(self) -> Iterator[BookError]:
        """Each task that was not to be deleted is there, as it was made or edited last."""
        possible = self._possible_params()
        for event in self._events("made"):
            row = self._tasks.get(event["id"])
            if row is None:
                if event["id"] not in self.deleting:
                    yield BookError(LOST, event["at"], f"made, and is gone: {event}")
                continue
            if json.loads(row["params_json"]) not in possible[event["id"]]:
                yield BookError(
                    LOST, event["at"], f"was to be {possible[event['id']]}, and is {row}"
                )

    def _possible_params(self) -> dict[int, list[Any]]:
        """Those of the last edit that was acknowledged, or of one since then: what a call without a
        response did is not known where the next one finds the task claimed.
        """
        possible: dict[int, list[Any]] = {}
        events = [*self._events("made"), *self._events("editing"), *self._events("edited")]
        for event in sorted(events, key=lambda each: each["at"]):
            if event["event"] == "editing":
                possible[event["id"]].append(event["params"])
            else:
                possible[event["id"]] = [event["params"]]
        return possible

    def _deleted(self) -> Iterator[BookError]:
        for event in self._events("deleted"):
            if event["id"] in self._tasks:
                yield BookError(
                    LOST, event["at"], f"deleted, and is there: {self._tasks[event['id']]}"
                )
        for event in self._events("type deleted"):
            if event["name"] in self._types:
                yield BookError(LOST, event["at"], f"type deleted, and is there: {event}")

    def _schedules(self) -> Iterator[BookError]:
        """Each time has one task; of one schedule no time is left out."""
        made = Counter(
            json.loads(row["params_json"]).get("schedule") for row in self._tasks.values()
        )
        for name in {run["name"] for run in self._runs}:
            runs = sorted((run for run in self._runs if run["name"] == name), key=_due_at)
            ids = [run["task_id"] for run in runs if run["task_id"] is not None]
            if len(set(ids)) < len(ids) or made[name] > len(ids):
                yield BookError(DOUBLED, 0.0, f"{name}: {made[name]} tasks for {len(ids)} times")
            if made[name] < len(ids):
                yield BookError(LOST, 0.0, f"{name}: {made[name]} tasks for {len(ids)} times")
            if name == EVERY_TIME:
                yield from _gaps(runs)


def _gaps(runs: list[Row]) -> Iterator[BookError]:
    for run in runs:
        if run["task_id"] is None:
            yield BookError(LOST, 0.0, f"a time without a task: {run}")
    for earlier, later in zip(runs, runs[1:]):
        if _due_at(later) - _due_at(earlier) != timedelta(seconds=1):
            yield BookError(LOST, 0.0, f"times left out between {earlier} and {later}")


def _due_at(run: Row) -> datetime:
    due = run["due_at"]
    return due if isinstance(due, datetime) else datetime.fromisoformat(due)
