"""Steps of those who make tasks: registering types, creating tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.model import creating, operating, reading, values
from tests.model.creating import Created
from tests.model.machine import Machine, at
from tests.model.state import Task, TaskType, shown_status
from tests.model.steps import step
from tests.support.http_client import Response
from tests.support.stopped_clock import iso


class ProducerSteps(Machine):
    _highest_id = 0

    @initialize(wanted=st.lists(values.tasks, min_size=2, max_size=5))
    def begin(self, wanted: list[dict[str, Any]]) -> None:
        for name in values.TYPE_NAMES[:3]:
            self.register_type(name, {})
        self.create_many(wanted)

    @step(3, name=values.type_names, settings=values.type_settings)
    def register_type(self, name: str, settings: dict[str, Any]) -> None:
        body = {"name": name, "version": "1", "param_schema": {}, **settings}
        key = "updated" if name in self.queue.types else "created"

        def model(response: Response) -> TaskType:
            registered = operating.register(self.queue, name, "1", settings)
            registered.id = registered.id or response.data["id"]
            return registered

        self.post(
            "/task-types/register",
            body,
            model,
            lambda type: {"id": type.id, "name": name, "version": "1", key: True},
            scope="admin",
        )

    @step(3, name=values.type_names, verb=st.sampled_from(sorted(operating.FLAGS)))
    def set_flag(self, name: str, verb: str) -> None:
        self._type("POST", name, f"/{verb}", lambda: operating.set_flag(self.queue, name, verb))

    @step(name=values.type_names)
    def read_type(self, name: str) -> None:
        self._type("GET", name, "", lambda: self.queue.type(name))

    def _type(self, method: str, name: str, verb: str, model: Any) -> None:
        times: dict[str, Any] = {}

        def type_and_its_times(response: Response) -> TaskType:
            type: TaskType = model()
            assert response.status == 200, response
            times.update({each: response.data[each] for each in ("created_at", "updated_at")})
            return type

        self.call(
            method,
            at("/task-types/{}", name) + verb,
            model=type_and_its_times,
            show=lambda type: {**reading.task_type(type), **times},
            scope="read" if method == "GET" else "admin",
        )

    @step(7, wanted=values.tasks)
    def create(self, wanted: dict[str, Any]) -> None:
        self.post(
            "/tasks",
            wanted,
            lambda response: self._created([wanted], lambda: [response.data])[0],
            shown_alone,
            scope="produce",
        )

    @step(5, pick=values.equal_picks, dedupe=values.dedupe)
    def create_equal(self, pick: tuple[str, int], dedupe: Any) -> None:
        """The same task as one that is there, or was."""
        task_id = self.picked(pick)
        known = [*self.queue.tasks.values(), *self.queue.past]
        for task in known:
            if task.id == task_id:
                key = task.dedupe_key or task.former_dedupe_key
                own_key = {"dedupe_key": key} if key and dedupe else {}
                wanted = {"type": task.type.name, "params": task.params, "dedupe": dedupe}
                self.create({**wanted, **own_key})

    @step(2, wanted=st.lists(values.tasks, max_size=6))
    def create_many(self, wanted: list[dict[str, Any]]) -> None:
        self.post(
            "/tasks",
            {"tasks": wanted},
            lambda response: self._created(wanted, lambda: response.data["tasks"]),
            _shown_together,
            scope="produce",
        )

    def _created(
        self, wanted: list[dict[str, Any]], responses: Callable[[], list[dict[str, Any]]]
    ) -> list[Created]:
        """What the model makes; new tasks get the ids that the queue gave them, in their order."""
        found = creating.create(self.queue, wanted)
        for (task, deduplicated), response in zip(found, responses()):
            if not deduplicated:
                self.add(task, response["id"])
        return found

    def add(self, task: Task, task_id: int) -> None:
        assert task_id > self._highest_id, "a new id is higher than all others"
        self._highest_id = task.id = task_id
        self.queue.tasks[task_id] = task


def shown_alone(made: Created) -> dict[str, Any]:
    task = made.task
    shown = {
        "id": task.id,
        "type": task.type.name,
        "status": shown_status(task.status),
        "dedupe_key": task.dedupe_key,
    }
    if made.deduplicated:
        return {**shown, "deduplicated": True}
    return {**shown, "priority": task.priority, "created_at": iso(task.created_at)}


def _shown_together(made: list[Created]) -> dict[str, Any]:
    doubles = sum(each.deduplicated for each in made)
    tasks = [
        {
            "id": task.id,
            "status": shown_status(task.status),
            "deduplicated": deduplicated,
        }
        for task, deduplicated in made
    ]
    return {"tasks": tasks, "created": len(made) - doubles, "deduplicated": doubles}
