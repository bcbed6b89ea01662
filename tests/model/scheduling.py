"""The model of schedules with an interval: which of their times get a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.model import creating, keys
from tests.model.state import UNFINISHED, Queue, Refused, Task
from tests.support.stopped_clock import stored

GRACE = 900_000
TIMES_AT_ONCE = 100


@dataclass
class Schedule:
    name: str
    id: int = 0
    said: dict[str, Any] = field(default_factory=dict)
    is_paused: bool = False
    next_at: int | None = None
    runs: dict[int, int | None] = field(default_factory=dict)
    """By time, the id of its task."""

    @property
    def every(self) -> int:
        return int(self.said["every"] * 1000)

    def task(self, **more: Any) -> dict[str, Any]:
        """What is created for one of its times."""
        named = {name: self.said[name] for name in ("priority",) if name in self.said}
        tags = [f"schedule:{self.name}"]
        return {"type": self.said["type"], "params": {}, "tags": tags, **named, **more}


def put(queue: Queue, name: str, said: dict[str, Any]) -> Schedule:
    keys.check_types(queue, [said["type"]])
    if not queue.type(said["type"]).is_active:
        raise Refused("validation_failed")
    known = queue.schedules.get(name)
    if known and not queue.sees(known.said["type"]):
        raise Refused("conflict")
    schedule = queue.schedules.setdefault(name, Schedule(name))
    schedule.said = said
    _set_paused(queue, schedule, said.get("paused", False))
    keys.note(queue, "schedule.put", name)
    return schedule


def find(queue: Queue, name: str) -> Schedule:
    schedule = queue.schedules.get(name)
    if schedule is None or not queue.sees(schedule.said["type"]):
        raise Refused("not_found")
    return schedule


def set_paused(queue: Queue, name: str, paused: bool) -> Schedule:
    schedule = find(queue, name)
    if schedule.is_paused != paused:
        _set_paused(queue, schedule, paused)
        keys.note(queue, f"schedule.{'pause' if paused else 'resume'}", name)
    return schedule


def _set_paused(queue: Queue, schedule: Schedule, paused: bool) -> None:
    schedule.is_paused = paused
    schedule.next_at = None if paused else queue.now + schedule.every


def delete(queue: Queue, name: str) -> None:
    find(queue, name)
    del queue.schedules[name]
    keys.note(queue, "schedule.delete", name)


def run_now(queue: Queue, name: str) -> Task:
    schedule = find(queue, name)
    ((task, _),) = creating.create_for(queue, [schedule.task(dedupe=False)])
    keys.note(queue, "schedule.run", name)
    return task


def make_due(queue: Queue) -> list[tuple[Schedule, int, Task]]:
    """The new tasks, each with its time; they have no ids yet."""
    made: list[tuple[Schedule, int, Task]] = []
    for schedule in queue.schedules.values():
        if schedule.next_at is not None and schedule.next_at <= queue.now:
            made += _make(queue, schedule, schedule.next_at)
    return made


def _make(queue: Queue, schedule: Schedule, first: int) -> list[tuple[Schedule, int, Task]]:
    due = [*range(first, queue.now + 1, schedule.every)]
    is_all = schedule.said.get("missed", "once") == "all"
    has_more = len(due) > TIMES_AT_ONCE
    due = due[:TIMES_AT_ONCE]
    # Where too many were missed, the next time is counted from now.
    schedule.next_at = (due[-1] if is_all or not has_more else queue.now) + schedule.every
    times = _times(queue, schedule, due)
    type = queue.types[schedule.said["type"]]
    if not times or not type.is_active:
        schedule.runs[due[-1]] = None
        return []
    wanted = [
        schedule.task(dedupe="forever", dedupe_key=f"schedule:{schedule.id}:{stored(time)}")
        for time in times
    ]
    made = creating.create_for(queue, wanted)
    assert not any(each.deduplicated for each in made), "each time is made once"
    return [(schedule, time, each.task) for time, each in zip(times, made)]


def _times(queue: Queue, schedule: Schedule, due: list[int]) -> list[int]:
    """Those that get a task."""
    tasks = [queue.tasks.get(task_id) for task_id in schedule.runs.values() if task_id is not None]
    is_unfinished = any(task is not None and task.status in UNFINISHED for task in tasks)
    if schedule.said.get("dedupe") == "active" and is_unfinished:
        return []
    missed = schedule.said.get("missed", "once")
    if missed == "all":
        return due
    return [] if missed == "skip" and queue.now - due[-1] > GRACE else due[-1:]
