"""Steps of people, who look and step in; and of time, which passes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from app.queue.upkeep import prune
from app.queue.upkeep.turn import Budget
from tests.model import operating, pruning, reading, statistics, values
from tests.model.machine import Machine
from tests.model.pruning import DAY
from tests.model.state import Task, shown_status
from tests.model.steps import step
from tests.support.stopped_clock import START, iso

Pick = tuple[str, int]

END = START + 1000 * DAY
"""Days pass no longer: the databases' clocks do not go beyond 2038."""


class ActionSteps(Machine):
    @step(5, pick=values.picks)
    def cancel(self, pick: Pick) -> None:
        self._cancel(self.picked(pick))

    @step(7, pick=values.any_picks)
    def retry(self, pick: Pick) -> None:
        self._retry(self.picked(pick))

    @step(3, pick=values.any_picks, edit=values.edits)
    def edit(self, pick: Pick, edit: dict[str, Any]) -> None:
        task_id = self.picked(pick)
        self.post(
            f"/tasks/{task_id}/retry",
            edit,
            lambda response: operating.retry(self.queue, task_id, edit),
            reading.whole,
            scope="admin",
        )

    @step(3, number=st.integers(0, 20))
    def retry_what_was_replaced(self, number: int) -> None:
        """A task gave its key to a later one: that is cancelled first."""
        task = self.queue.tasks.get(self.picked(("replaced", number)))
        if task and task.former_dedupe_key:
            holder = self.queue.holder_of_key(task.type, task.former_dedupe_key)
            if holder:
                self._cancel(holder.id)
            self._retry(task.id)

    def _cancel(self, task_id: int) -> None:
        def show(task: Task) -> dict[str, Any]:
            status = shown_status(task.status)
            return {"id": task_id, "status": status, "cancel_requested": task.cancel_requested}

        self._act(task_id, "cancel", operating.cancel, show)

    def _retry(self, task_id: int) -> None:
        self._act(task_id, "retry", operating.retry, reading.whole)

    def _act(self, task_id: int, verb: str, action: Any, show: Any) -> None:
        path = f"/tasks/{task_id}/{verb}"
        self.post(path, {}, lambda response: action(self.queue, task_id), show, scope="admin")

    @step(2, pick=values.any_picks, method=st.sampled_from(["POST", "DELETE"]))
    def delete(self, pick: Pick, method: str) -> None:
        task_id = self.picked(pick)
        self.call(
            method,
            f"/tasks/{task_id}" + ("/delete" if method == "POST" else ""),
            model=lambda response: operating.delete(self.queue, task_id),
            show=lambda nothing: {"id": task_id, "deleted": True},
            scope="admin",
        )


class ReadSteps(Machine):
    @step(2, pick=values.any_picks)
    def read_task(self, pick: Pick) -> None:
        task_id = self.picked(pick)
        self.get(f"/tasks/{task_id}", lambda: reading.whole(self.queue.task(task_id)))

    @step(2, pick=values.any_picks)
    def read_history(self, pick: Pick) -> None:
        task_id = self.picked(pick)

        def show() -> dict[str, Any]:
            lines = reading.history(self.queue, task_id)
            return {"history": lines, "count": len(lines)}

        self.get(f"/tasks/{task_id}/history", show)

    @step(
        4,
        filters=values.list_filters,
        limit=st.integers(1, 8),
        offset=st.integers(0, 3),
        bounds=st.dictionaries(
            st.sampled_from(["before_id", "created_after", "created_before"]), values.any_picks
        ),
    )
    def list_tasks(
        self, filters: dict[str, str], limit: int, offset: int, bounds: dict[str, Pick]
    ) -> None:
        """``bounds`` are tasks whose id, or time, is the end of what is listed."""
        query: dict[str, Any] = dict(filters)
        wanted: dict[str, Any] = dict(filters)
        for name, pick in bounds.items():
            task = self.queue.tasks.get(self.picked(pick))
            if task:
                wanted[name] = task.id if name == "before_id" else task.created_at
                query[name] = task.id if name == "before_id" else iso(task.created_at)

        def show() -> dict[str, Any]:
            found = reading.listed(self.queue, wanted)[offset : offset + limit]
            return {
                "tasks": [reading.whole(task) for task in found],
                "count": len(found),
                "limit": limit,
                "offset": offset,
                "next_before_id": found[-1].id if len(found) == limit else None,
            }

        self.get("/tasks", show, query={**query, "limit": limit, "offset": offset})

    @step(active_only=st.booleans())
    def list_types(self, active_only: bool) -> None:
        found = sorted(self.queue.types.values(), key=lambda type: type.name)
        names = [type.name for type in found if type.is_active or not active_only]
        query = {"active_only": "true"} if active_only else {}
        response = self.api.get("/task-types", **query)
        assert [type["name"] for type in response.data["task_types"]] == names

    @step(4, name=st.none() | values.type_names)
    def read_stats(self, name: str | None) -> None:
        def show() -> dict[str, Any]:
            type = None if name is None else self.queue.type(name)
            others = dict.fromkeys(("wait_seconds", "run_seconds"), values.ANYTHING)
            return {**statistics.stats(self.queue, type), **others, "as_of": iso(self.queue.now)}

        self.get("/stats", show, query={"type": name} if name else {})


class TimeSteps(Machine):
    @step(4, span=values.spans)
    def let_time_pass(self, span: int) -> None:
        self.pass_time(span)

    @step(6, number=st.integers(0, 20), just_before=st.booleans())
    def let_time_pass_until_a_task_is_due(self, number: int, just_before: bool) -> None:
        """The next call finds it due at this very millisecond, or one too early."""
        due = [task.due for task in self.queue.with_status("scheduled", "claimed")]
        later = sorted(each - self.queue.now for each in due if each > self.queue.now + 2)
        if later:
            self.pass_time(later[number % len(later)] - 1 - just_before)

    @step(3, days=st.sampled_from([1, 8, 31, 100]))
    def let_days_pass(self, days: int) -> None:
        if self.queue.now < END:
            self.pass_time(days * DAY)

    @step(3)
    def prune_everything(self) -> None:
        self.queue.did_upkeep = True
        prune.prune_everything(self.api.site, Budget(None), lambda kind, count: None)
        self.compare()
        assert pruning.left_over(self.queue) == []


class OperatorSteps(ActionSteps, ReadSteps, TimeSteps):
    """All that people do, and time."""
