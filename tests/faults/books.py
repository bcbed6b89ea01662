"""The books of a chaos run: what clients were told is held against what the database says at the
end. Each entry that does not balance is an error of one kind, with the moment it belongs to.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from app.queue.upkeep.reclaim import LEASE_EXPIRED
from tests.faults.book_error import DOUBLED, LOST, REFUSED, BookError
from tests.faults.chaos_works import LIMITS
from tests.faults.client_pool import Event
from tests.faults.deployment import select
from tests.faults.limit_books import exceeded
from tests.faults.operator_books import OperatorBooks

CLOCK_SECONDS = 0.1
"""How far a client's clock and the database's may be apart, and a call's way in between."""

ENDED = ("completed", "failed", "cancelled")

Row = dict[str, Any]


class Books:
    """All that clients noted, and all that the database holds."""

    def __init__(
        self,
        tasks: Iterable[Row],
        history: Iterable[Row],
        events: Callable[[str], list[Event]],
        types: Iterable[str] = (),
        runs: Iterable[Row] = (),
    ) -> None:
        """``history`` is in the order of its ids; ``events`` finds what was noted under a name;
        ``types`` are the names of those that there are, ``runs`` what became of schedules' times.
        """
        self.created = events("created")
        self.claimed = events("claimed")
        self.outcomes = events("outcome")
        self.tasks = {row["id"]: row for row in tasks}
        self.history: dict[int, list[Row]] = defaultdict(list)
        for row in history:
            self.history[row["task_id"]].append(row)
        self._of_operator = OperatorBooks(self.tasks, types, runs, events)
        self._seen_at = {event["id"]: event["at"] for event in self.claimed}
        self._seen_at.update({event["id"]: event["at"] for event in self.created})

    def errors(self) -> list[BookError]:
        return [
            *self._creates(),
            *self._tasks(),
            *self._claims(),
            *self._outcomes(),
            *self._leases(),
            *self._of_operator.errors(),
            *exceeded(LIMITS, self.tasks.values(), self.history),
        ]

    def _creates(self) -> Iterator[BookError]:
        """Each acknowledged create is there, as it was asked for, once."""
        for event in self.created:
            row = self.tasks.get(event["id"])
            if row is None or json.loads(row["params_json"]) != event["params"]:
                yield BookError(LOST, event["at"], f"created, and is {row}: {event}")
        made: dict[str, list[int]] = defaultdict(list)
        for row in self.tasks.values():
            if "schedule" not in json.loads(row["params_json"]):  # whose tasks are all alike
                made[row["params_json"]].append(row["id"])
        for params, ids in made.items():
            if len(ids) > 1:
                yield BookError(DOUBLED, self._at(ids[0]), f"created as {ids}: {params}")

    def _tasks(self) -> Iterator[BookError]:
        """Each task ended, once, and for a reason; one attempt after another."""
        asked = {event["id"]: event["max_attempts"] for event in self.created}
        for task_id, row in self.tasks.items():
            history = self.history[task_id]
            where = f"task {task_id} {row['status']}: {_shown(history)}"
            statuses = [line["status"] for line in history]
            if row["status"] not in ENDED:
                yield BookError(LOST, self._at(task_id), f"never ended: {where}")
            if statuses.count("completed") > 1 or "completed" in statuses[:-1]:
                yield BookError(DOUBLED, self._at(task_id), f"went on after its end: {where}")
            if row["status"] in ENDED and statuses[-1:] != [row["status"]]:
                yield BookError(LOST, self._at(task_id), f"history and task differ: {where}")
            if row["status"] == "failed" and asked.get(task_id):
                spent = statuses.count("claimed") - sum(map(_is_release, history))
                if spent < asked[task_id]:
                    text = f"failed after {spent} of {asked[task_id]} attempts: {where}"
                    yield BookError(LOST, self._at(task_id), text)
            if _overlap(history):
                yield BookError(DOUBLED, self._at(task_id), f"claimed while claimed: {where}")

    def _claims(self) -> Iterator[BookError]:
        """Each acknowledged claim is in the history, and its attempt is one client's alone."""
        clients: dict[tuple[int, int], set[str]] = defaultdict(set)
        for event in self.claimed:
            run = event["id"], event["attempt"]
            clients[run].add(event["by"])
            if len(clients[run]) > 1:
                yield BookError(DOUBLED, event["at"], f"attempt given to {clients[run]}: {event}")
            if event["id"] in self._of_operator.deleting:
                continue
            if not any(_is_claim(line, event) for line in self.history[event["id"]]):
                history = _shown(self.history[event["id"]])
                yield BookError(LOST, event["at"], f"claim is gone: {event} {history}")

    def _outcomes(self) -> Iterator[BookError]:
        """What was accepted is done, what was refused is not, and was rightly refused."""
        for event in self.outcomes:
            if event["id"] in self._of_operator.changed:
                continue
            history = self.history[event["id"]]
            done = any(_is_outcome(line, event) for line in history)
            text = f"{event} {_shown(history)}"
            if event["kind"] == "heartbeat":
                done = event["accepted"]  # only the lease shows it
            if event["accepted"] and not (done and self._has_result(event)):
                yield BookError(LOST, event["at"], f"accepted, and is not done: {text}")
            if not event["accepted"] and done:
                yield BookError(REFUSED, event["at"], f"refused, and was done: {text}")
            elif not event["accepted"] and event["wall"] + CLOCK_SECONDS < _wall(event["until"]):
                yield BookError(REFUSED, event["at"], f"refused while it was held: {text}")

    def _leases(self) -> Iterator[BookError]:
        """No lease ended before the time that its holder was told."""
        promised: dict[tuple[int, int], datetime] = {}
        for event in [*self.claimed, *self.outcomes]:
            run = event["id"], event["attempt"]
            until = _time(event["until"])
            promised[run] = max(promised.get(run, until), until)
        for task_id, history in self.history.items():
            for line in history:
                until = promised.get((task_id, line["attempt"]), datetime.min)
                if line["message"] == LEASE_EXPIRED and _time(line["created_at"]) < until:
                    text = f"task {task_id} was to be held until {until}: {_shown(history)}"
                    yield BookError(DOUBLED, self._at(task_id), text)

    def _has_result(self, event: Event) -> bool:
        if event["kind"] != "complete":
            return True
        row = self.tasks.get(event["id"])
        return (
            row is not None
            and row["status"] == "completed"
            and json.loads(row["result_json"]) == event["said"]["result"]
        )

    def _at(self, task_id: int) -> float:
        """When a client first had to do with the task."""
        return float(self._seen_at.get(task_id, 0.0))


def read_books(url: str, events: Callable[[str], list[Event]]) -> Books:
    """The books of the database at this address."""
    tasks = (
        "SELECT tasks.id, status, params_json, result_json, concurrency_key, name AS type "
        "FROM tasks JOIN task_types ON task_types.id = type_id"
    )
    history = (
        "SELECT task_id, status, worker_id, attempt, message, created_at "
        "FROM task_history ORDER BY id"
    )
    types = [row["name"] for row in select(url, "SELECT name FROM task_types")]
    runs = (
        "SELECT name, due_at, task_id FROM schedule_runs "
        "JOIN schedules ON schedules.id = schedule_id"
    )
    told = [{**row, "time": _wall(row["created_at"])} for row in select(url, history)]
    return Books(select(url, tasks), told, events, types, select(url, runs))


def _overlap(history: Sequence[Row]) -> bool:
    """Whether a claim follows a claim, with no end in between."""
    statuses = [line["status"] for line in history]
    return any(pair == ("claimed", "claimed") for pair in zip(statuses, statuses[1:]))


def _is_claim(line: Row, event: Event) -> bool:
    return (line["status"], line["attempt"], line["worker_id"]) == (
        "claimed",
        event["attempt"],
        event["worker_id"],
    )


def _is_release(line: Row) -> bool:
    return bool(line["message"] == "released")


def _is_outcome(line: Row, event: Event) -> bool:
    """Whether this line tells of the end that the client asked for."""
    if line["attempt"] != event["attempt"]:
        return False
    if event["kind"] == "complete":
        return bool(line["status"] == "completed")
    if event["kind"] == "fail":
        return bool(line["message"] == event["said"].get("error"))
    return event["kind"] == "release" and _is_release(line)


def _shown(history: Sequence[Row]) -> str:
    return " | ".join(
        f"{line['status']} {line['attempt']} {line['worker_id']} {line['message'] or ''} "
        f"{line['created_at']}"
        for line in history
    )


def _time(value: str | datetime) -> datetime:
    """In UTC, without a zone, from the API's words or the database's."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value.replace("Z", "").replace("T", " "))


def _wall(value: str | datetime) -> float:
    return _time(value).replace(tzinfo=timezone.utc).timestamp()
