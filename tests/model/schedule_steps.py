"""Steps about schedules, pauses of the whole queue, and creates that are sent again."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from app.queue.upkeep.schedules import make_due_tasks
from app.queue.upkeep.turn import Budget
from tests.model import operating, scheduling, values
from tests.model.machine import Machine, at
from tests.model.producer_steps import ProducerSteps, shown_alone
from tests.model.scheduling import Schedule
from tests.model.state import Refused
from tests.model.steps import step
from tests.support.http_client import Response
from tests.support.stopped_clock import iso, stored

Said = dict[str, Any]


class ScheduleSteps(ProducerSteps):
    @step(3, name=values.schedule_names, said=values.schedules)
    def put_schedule(self, name: str, said: Said) -> None:
        def model(response: Response) -> Schedule:
            schedule = scheduling.put(self.queue, name, said)
            self._learn_ids()
            return schedule

        self.post("/schedules", {"name": name, **said}, model, self._shown, scope="admin")

    @step(name=values.schedule_names, paused=st.booleans())
    def pause_schedule(self, name: str, paused: bool) -> None:
        self.post(
            at("/schedules/{}", name) + ("/pause" if paused else "/resume"),
            {},
            lambda response: scheduling.set_paused(self.queue, name, paused),
            self._shown,
            scope="admin",
        )

    @step(name=values.schedule_names)
    def delete_schedule(self, name: str) -> None:
        self.post(
            at("/schedules/{}/delete", name),
            {},
            lambda response: scheduling.delete(self.queue, name),
            lambda nothing: {"name": name, "deleted": True},
            scope="admin",
        )

    @step(name=values.schedule_names)
    def run_schedule(self, name: str) -> None:
        def model(response: Response) -> int:
            task = scheduling.run_now(self.queue, name)
            self.add(task, response.data["task_id"])
            self.queue.schedules[name].runs[self.queue.now] = task.id
            return task.id

        self.post(
            at("/schedules/{}/run", name),
            {},
            model,
            lambda task_id: {"task_id": task_id},
            scope="admin",
        )

    @step(4)
    def make_scheduled_tasks(self) -> None:
        """The duty of upkeep that does so; claims leave it to this step here."""
        made = scheduling.make_due(self.queue)
        make_due_tasks(self.api.site, Budget(None))
        rows = self.api.sql("SELECT id, dedupe_key FROM tasks")
        ids = {row["dedupe_key"]: row["id"] for row in rows}
        for schedule, time, task in sorted(made, key=lambda each: ids[each[2].dedupe_key]):
            self.add(task, ids[task.dedupe_key])
            schedule.runs[time] = task.id
        self.compare()

    @step(4, number=st.integers(0, 5))
    def let_time_pass_until_a_schedule_is_due(self, number: int) -> None:
        times = [each.next_at for each in self.queue.schedules.values() if each.next_at]
        later = sorted(each - self.queue.now for each in times if each > self.queue.now)
        if later:
            self.pass_time(later[number % len(later)])
            self.make_scheduled_tasks()

    def compare(self) -> None:
        super().compare()
        expected = {
            (each.name, each.is_paused, each.next_at and stored(each.next_at))
            for each in self.queue.schedules.values()
        }
        rows = self.api.sql("SELECT name, is_paused, next_at FROM schedules")
        assert {(row["name"], bool(row["is_paused"]), row["next_at"]) for row in rows} == expected
        runs = {
            (each.id, stored(time), task_id)
            for each in self.queue.schedules.values()
            for time, task_id in sorted(each.runs.items())
        }
        rows = self.api.sql("SELECT schedule_id, due_at, task_id FROM schedule_runs")
        assert {(row["schedule_id"], row["due_at"], row["task_id"]) for row in rows} == runs

    def _learn_ids(self) -> None:
        for row in self.api.sql("SELECT id, name FROM schedules"):
            self.queue.schedules[row["name"]].id = row["id"]

    def _shown(self, schedule: Schedule) -> Any:
        times = range(5) if schedule.next_at else ()
        return values.Having(
            name=schedule.name,
            type=schedule.said["type"],
            paused=schedule.is_paused,
            next_runs=[iso((schedule.next_at or 0) + n * schedule.every) for n in times],
        )


class PauseSteps(Machine):
    @step(2, verb=st.sampled_from(["pause", "resume", "resume"]), pattern=values.pause_patterns)
    def pause_queue(self, verb: str, pattern: str | None) -> None:
        body = {} if pattern is None else {"type_pattern": pattern}
        self.post(
            f"/queue/{verb}",
            body,
            lambda response: operating.pause(self.queue, verb == "pause", pattern),
            self._pauses,
            scope="admin",
        )

    @step()
    def read_pauses(self) -> None:
        self.get("/queue", lambda: self._pauses(None))

    def _pauses(self, matching: int | None) -> Said:
        types = [each for each in self.queue.types.values() if self.queue.sees(each)]
        paused_at = self.queue.paused_at
        return {
            "paused": paused_at is not None,
            "paused_at": iso(paused_at),
            "paused_types": sorted(each.name for each in types if each.is_paused),
            **({} if matching is None else {"matching": matching}),
        }


class IdempotencySteps(ProducerSteps):
    @step(4, key=st.sampled_from(["i1", "i2"]), wanted=values.small_tasks)
    def create_with_key(self, key: str, wanted: Said) -> None:
        """The same call again has the same response, another one with the key is refused."""
        name = (self.queue.key.id if self.queue.key else 0, key)
        body = json.dumps(wanted, sort_keys=True)

        def model(response: Response) -> Said:
            known = self.queue.idempotency_keys.get(name)
            if known is None:
                made = self._created([wanted], lambda: [response.data])[0]
                known = self.queue.idempotency_keys[name] = (
                    body,
                    shown_alone(made),
                    self.queue.now,
                )
            if known[0] != body:
                raise Refused("idempotency_conflict")
            return known[1]

        self.call(
            *("POST", "/tasks", wanted),
            model=model,
            show=lambda shown: shown,
            scope="produce",
            headers={"Idempotency-Key": key},
        )
