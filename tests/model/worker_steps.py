"""Steps of workers: claims, outcomes, heartbeats, and what they say about themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from tests.model import claiming, reading, settling, values, workers
from tests.model.machine import Machine, at, named
from tests.model.settling import Holder, Outcome, SettleResult
from tests.model.state import Refused, Task
from tests.model.steps import step

Pick = tuple[str, int]
Who = tuple[str, str]
Said = dict[str, Any]

ROUNDING = 0.0011
NOBODY = "w9"
"""Who claims with a settle that names no worker."""


class ClaimSteps(Machine):
    @step(10, worker=values.worker_ids, options=values.plain_claims)
    def claim_what_comes_first(self, worker: str, options: Said) -> None:
        self.claim(worker, options)

    @step(4, worker=values.worker_ids, options=values.fair_claims)
    def claim_in_turn(self, worker: str, options: Said) -> None:
        self.claim(worker, options)

    @step(
        3,
        worker=values.worker_ids,
        again=st.booleans(),
        options=values.some(limit=st.integers(1, 3)),
    )
    def claim_by_key(self, worker: str, again: bool, options: Said) -> None:
        """One of few keys, so that claims are sent again, and first sendings come late."""
        self.claim(worker, {**options, "claim_key": "k1", "again": again})

    @step(8, worker=values.worker_ids, options=values.claim_options)
    def claim(self, worker: str, options: Said) -> None:
        self.post(
            "/tasks/claim",
            {"worker_id": worker, **options},
            lambda response: self._claimed(worker, options),
            lambda tasks: _shown_claim(tasks, "limit" in options),
            scope="work",
        )

    def _claimed(self, worker: str, options: Said) -> list[Said]:
        tasks = claiming.claim(self.queue, worker, options)
        if not tasks and "limit" not in options:
            raise Refused("no_tasks")
        return [reading.with_claim(task) for task in tasks]


class SettleSteps(Machine):
    @step(
        10, pick=values.picks, who=values.holders, said=values.successes, more=values.folded_claims
    )
    def complete(self, pick: Pick, who: Who, said: Said, more: Said | None) -> None:
        self._settle_one("complete", self._outcome(pick, who, said), said, more)

    @step(
        10, pick=values.picks, who=values.holders, said=values.failures, more=values.folded_claims
    )
    def fail(self, pick: Pick, who: Who, said: Said, more: Said | None) -> None:
        self._settle_one("fail", self._outcome(pick, who, {**said, "success": False}), said, more)

    @step(3, number=st.integers(0, 20))
    def fail_after_a_release(self, number: int) -> None:
        """Then the backoff must not count the attempt that was released."""
        self.fail(("released before", number), ("its", "its"), {}, None)

    @step(5, pick=values.picks, who=values.holders, said=values.some(delay=values.delays))
    def release(self, pick: Pick, who: Who, said: Said) -> None:
        self._settle_one("release", self._outcome(pick, who, {**said, "release": True}), said, None)

    @step(
        5,
        said=st.lists(st.tuples(values.picks, values.holders, values.outcomes), max_size=6),
        more=values.folded_claims,
    )
    def settle_many(self, said: list[tuple[Pick, Who, Said]], more: Said | None) -> None:
        """Some tasks may be in there more than once."""
        self._settle_all([self._outcome(*each) for each in said], NOBODY, more)

    @step(
        10,
        worker=values.worker_ids,
        said=st.lists(values.outcomes, min_size=1, max_size=3),
        more=values.folded_claims,
    )
    def work(self, worker: str, said: list[Said], more: Said | None) -> None:
        """What workers do all day: settle what they hold, with the next claim in the same call."""
        held = self.queue.held_by(worker)
        outcomes = [
            Outcome(task.id, Holder(worker, task.attempts), each) for task, each in zip(held, said)
        ]
        self._settle_all(outcomes, worker, {"limit": len(said)} if more is None else more)

    def _settle_all(self, outcomes: list[Outcome], claimer: str, more: Said | None) -> None:
        bodies = [{"id": each.task_id, **named(each.holder), **each.said} for each in outcomes]
        self.post(
            "/tasks/settle",
            {"outcomes": bodies, **_folded(claimer, more)},
            lambda response: (
                settling.settle(self.queue, outcomes),
                self._claimed_with(claimer, more),
            ),
            lambda found: {
                "settled": [_brief(*each) for each in zip(outcomes, found[0])],
                **found[1],
            },
            scope="work",
        )

    def _outcome(self, pick: Pick, who: Who, said: Said) -> Outcome:
        task_id = self.picked(pick)
        return Outcome(task_id, self.holder(task_id, who), said)

    def _settle_one(self, verb: str, outcome: Outcome, said: Said, more: Said | None) -> None:
        """The body has only ``said``; the address has the rest of the outcome."""
        claimer = outcome.holder.worker_id or NOBODY

        def model(response: Any) -> tuple[SettleResult, Said]:
            settled = settling.settle(self.queue, [outcome])[0]
            if isinstance(settled, Refused):
                raise settled
            return settled, self._claimed_with(claimer, more)

        self.post(
            f"/tasks/{outcome.task_id}/{verb}",
            {**named(outcome.holder), **said, **_folded(claimer, more)},
            model,
            lambda found: {**found[0].shown(), **found[1]},
            scope="work",
        )

    def _claimed_with(self, claimer: str, more: Said | None) -> Said:
        """What a claim that came with a settle adds to the response."""
        if more is None:
            return {}
        tasks = claiming.claim(self.queue, claimer, more)
        return {"tasks": [reading.with_claim(task) for task in tasks]}


class LeaseSteps(Machine):
    @step(2, pick=values.picks, who=values.holders, said=values.heartbeats)
    def heartbeat(self, pick: Pick, who: Who, said: Said) -> None:
        self._extend("heartbeat", pick, who, said, reading.extended)

    @step(2, pick=values.picks, who=values.holders, said=values.progress)
    def report_progress(self, pick: Pick, who: Who, said: Said) -> None:
        self._extend(
            "progress",
            pick,
            who,
            said,
            lambda task: {**reading.extended(task), "progress": said["progress"]},
        )

    def _extend(self, verb: str, pick: Pick, who: Who, said: Said, show: Any) -> None:
        task_id = self.picked(pick)
        holder = self.holder(task_id, who)

        def model(response: Any) -> Task:
            extended = self._extended([(task_id, holder, said)])[0]
            if isinstance(extended, Refused):
                raise extended
            return extended

        self.post(f"/tasks/{task_id}/{verb}", {**named(holder), **said}, model, show, scope="work")

    @step(
        2,
        said=st.lists(
            st.tuples(values.picks, values.holders, values.heartbeats | values.progress),
            max_size=5,
        ),
    )
    def heartbeat_many(self, said: list[tuple[Pick, Who, Said]]) -> None:
        calls = [(self.picked(pick), who, fields) for pick, who, fields in said]
        tasks = [(task_id, self.holder(task_id, who), fields) for task_id, who, fields in calls]
        self.post(
            "/tasks/heartbeat",
            {"tasks": [{"id": each[0], **named(each[1]), **each[2]} for each in tasks]},
            lambda response: self._extended(tasks),
            lambda found: {
                "tasks": [
                    _refused(task[0], each) if isinstance(each, Refused) else reading.extended(each)
                    for task, each in zip(tasks, found)
                ]
            },
            scope="work",
        )

    def _extended(self, said: list[tuple[int, Holder, Said]]) -> list[Task | Refused]:
        found = [settling.extend(self.queue, *each) for each in said]
        names = {holder.worker_id for _, holder, _ in said if holder.worker_id is not None}
        settling.saw_heartbeats(self.queue, names)
        return found


class RegisterSteps(Machine):
    @step(worker=values.worker_ids, told=values.told_by_workers)
    def register_worker(self, worker: str, told: Said) -> None:
        self.post(
            "/workers/register",
            {"worker_id": worker, **told},
            lambda response: workers.register(self.queue, worker, told),
            lambda known: reading.worker(self.queue, worker),
            scope="work",
        )

    @step(worker=values.worker_ids)
    def heartbeat_of_worker(self, worker: str) -> None:
        self.post(
            at("/workers/{}/heartbeat", worker),
            {},
            lambda response: workers.saw(self.queue, worker),
            lambda known: reading.worker(self.queue, worker),
            scope="work",
        )

    @step(2, worker=values.worker_ids, options=values.some(release=st.booleans()))
    def deregister(self, worker: str, options: Said) -> None:
        releases = options.get("release", True)
        self.post(
            at("/workers/{}/deregister", worker),
            options,
            lambda response: workers.deregister(self.queue, worker, releases),
            lambda released: {"id": worker, "released": released},
            scope="work",
        )

    @step(worker=values.worker_ids)
    def read_worker(self, worker: str) -> None:
        self.get(
            at("/workers/{}", worker),
            lambda: reading.worker(self.queue, worker),
            scope="read",
            of_all_types=True,
        )

    @step(worker=values.worker_ids)
    def read_worker_stats(self, worker: str) -> None:
        def show() -> Said:
            known = reading.worker(self.queue, worker)
            names = ("id", "active_tasks", "last_seen_at")
            return {**{name: known[name] for name in names}, **self._stats(worker)}

        self.get(at("/workers/{}/stats", worker), show, scope="read", of_all_types=True)

    @step()
    def list_workers(self) -> None:
        def show() -> Said:
            known = sorted(self.queue.workers.values(), key=lambda each: (-each.last_seen, each.id))
            found = [
                {**reading.worker(self.queue, each.id), **self._stats(each.id)} for each in known
            ]
            return {"workers": found, "count": len(found), "limit": 50, "offset": 0}

        self.get("/workers", show, scope="read", of_all_types=True)

    def _stats(self, worker: str) -> Said:
        stats = reading.worker_stats(self.queue, worker)
        mean = stats["mean_run_seconds"]
        if mean is not None:
            stats["mean_run_seconds"] = pytest.approx(mean, abs=ROUNDING)
        return stats


class WorkerSteps(ClaimSteps, SettleSteps, LeaseSteps, RegisterSteps):
    """All that workers do."""


def _folded(claimer: str, more: Said | None) -> Said:
    return {} if more is None else {"claim": {"worker_id": claimer, **more}}


def _shown_claim(tasks: list[Said], as_list: bool) -> Said:
    return {"tasks": tasks, "count": len(tasks)} if as_list else tasks[0]


def _brief(outcome: Outcome, settled: SettleResult | Refused) -> Said:
    if isinstance(settled, Refused):
        return _refused(outcome.task_id, settled)
    return settled.shown()


def _refused(task_id: int, refused: Refused) -> Said:
    """How a batch shows a refusal: the sentence is for people."""
    return {"id": task_id, "code": refused.code, "error": ANY_TEXT}


class AnyText:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other)

    __hash__ = None  # type: ignore[assignment]


ANY_TEXT = AnyText()
