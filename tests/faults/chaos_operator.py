"""What the operator of a chaos run does: schedules, pauses of the queue and of types, changes of
many tasks, retries that edit, and types that come and go.

The tasks that it makes are its own to change. It notes what it made of them, and before each change
that it is on its way.
"""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

from tests.faults.chaos_works import PAUSE_SECONDS, TYPE, FinalResponse, insist
from tests.faults.client import Work

OPERATED = "operated"
EVERY_TIME = "every time"
"""The schedule of which no time may be left out."""
NOW_AND_THEN = "now and then"
"""One that is paused and resumed again and again."""
REMEMBERED = 40
PAUSED_SECONDS = 0.3
ENDS_SECONDS = 60

Task = dict[str, Any]


def operate(work: Work) -> None:
    """Do what an operator does until it is time to calm down, and leave nothing paused."""
    operator = Operator(work)
    operator.make_schedules()
    while not work.is_calm():
        operator.step()
        time.sleep(operator.chance.uniform(0, 2 * work.options["pause"]))
    operator.end_schedules()
    while not work.is_to_stop():
        time.sleep(PAUSE_SECONDS)


class Operator:
    def __init__(self, work: Work) -> None:
        self.work = work
        self.chance = random.Random(f"{work.options['seed']} {work.name}")
        self._numbers = itertools.count()
        self._tasks: list[Task] = []

    def step(self) -> None:
        steps = {
            self._create: 6,
            self._cancel_many: 3,
            self._retry_many: 3,
            self._edit: 4,
            self._delete_many: 1,
            self._pause_queue: 1,
            self._pause_types: 1,
            self._pause_schedule: 1,
            self._use_type_once: 1,
        }
        (step,) = self.chance.choices(list(steps), list(steps.values()))
        step()

    def make_schedules(self) -> None:
        for name, every, missed in ((EVERY_TIME, 1, "all"), (NOW_AND_THEN, 2, "once")):
            params = {"schedule": name}
            body = {"name": name, "type": TYPE, "params": params, "every": every, "missed": missed}
            self._insist("/schedules", body)

    def end_schedules(self) -> None:
        """The faults are over: what they cut off is completed by then."""
        time.sleep(2)
        for name in (EVERY_TIME, NOW_AND_THEN):
            self._insist(f"/schedules/{name.replace(' ', '%20')}/pause", {})

    def _create(self) -> None:
        bodies = [
            {"type": OPERATED, "params": self._new_params(), "dedupe": False} for _ in range(4)
        ]
        key = f"{self.work.name}:{next(self._numbers)}"
        final = insist(self.work, "create", "/tasks", {"tasks": bodies}, key=key)
        for body, shown in zip(bodies, final.data["tasks"]):
            self.work.journal.write("made", id=shown["id"], params=body["params"])
            self._tasks.append({"id": shown["id"]})
        del self._tasks[:-REMEMBERED]

    def _cancel_many(self) -> None:
        self._change_many("cancel", self._some())

    def _retry_many(self) -> None:
        self._change_many("retry", self._some())

    def _delete_many(self) -> None:
        ids = self._some()
        reasons = self._change_many("delete", ids)
        for task_id in ids:
            if reasons.get(task_id, "not_found") == "not_found":
                self.work.journal.write("deleted", id=task_id)
                self._tasks = [task for task in self._tasks if task["id"] != task_id]

    def _change_many(self, what: str, ids: list[int]) -> dict[int, str]:
        """Why some were not changed, by their ids."""
        for task_id in ids:
            self.work.journal.write("changing", id=task_id, what=what)
        final = self._insist(f"/tasks/{what}", {"ids": ids})
        return {reason["id"]: reason["code"] for reason in final.data["reasons"]}

    def _edit(self) -> None:
        """A retry with other params. What it did is known of the one that is told to have done."""
        for task_id in self._some()[:1]:
            params = self._new_params()
            self.work.journal.write("changing", id=task_id, what="retry")
            self.work.journal.write("editing", id=task_id, params=params)
            final = self._insist(f"/tasks/{task_id}/retry", {"params": params})
            if final.response.status == 200:
                self.work.journal.write("edited", id=task_id, params=params)

    def _pause_queue(self) -> None:
        self._pause_for_a_moment("/queue/pause", "/queue/resume", {})

    def _pause_types(self) -> None:
        self._pause_for_a_moment("/queue/pause", "/queue/resume", {"type_pattern": "r%"})

    def _pause_schedule(self) -> None:
        path = f"/schedules/{NOW_AND_THEN.replace(' ', '%20')}"
        self._pause_for_a_moment(f"{path}/pause", f"{path}/resume", {})

    def _pause_for_a_moment(self, pause: str, resume: str, body: dict[str, Any]) -> None:
        self._insist(pause, body)
        time.sleep(PAUSED_SECONDS)
        self._insist(resume, body)

    def _use_type_once(self) -> None:
        """A type that is registered, used, and deleted with its tasks."""
        name = f"once {self.work.name} {next(self._numbers)}"
        self._insist("/task-types/register", {"name": name, "version": "1", "param_schema": {}})
        task = {"type": name, "params": self._new_params()}
        made = insist(self.work, "create", "/tasks", task).data["id"]
        self.work.journal.write("changing", id=made, what="delete")
        ends_at = time.monotonic() + ENDS_SECONDS
        path = f"/task-types/{name.replace(' ', '%20')}/delete"
        while time.monotonic() < ends_at:
            self._insist("/tasks/cancel", {"ids": [made]})
            self._insist("/tasks/delete", {"ids": [made]})
            final = self._insist(path, {})
            # 404: an earlier call deleted it, and its response was lost. 409: a task is claimed.
            status = final.response.status
            if status == 404 or (status == 200 and not final.data["archived"]):
                self.work.journal.write("deleted", id=made)
                self.work.journal.write("type deleted", name=name)
                return
            time.sleep(PAUSE_SECONDS)

    def _insist(self, path: str, body: dict[str, Any]) -> FinalResponse:
        return insist(self.work, "operate", path, body)

    def _some(self) -> list[int]:
        count = min(len(self._tasks), self.chance.choice((1, 3, 10)))
        return [task["id"] for task in self.chance.sample(self._tasks, count)]

    def _new_params(self) -> dict[str, Any]:
        return {"from": self.work.name, "operated": next(self._numbers)}
