"""The machine under the steps: it calls the real API, asks the model for the same, and compares
response and tables after each call.

A step is a method with `@step`: it makes one call with `call`, and says what the model does and
shows for it. The steps are in producer_steps.py, worker_steps.py and operator_steps.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from hypothesis.stateful import RuleBasedStateMachine, invariant

from app.queue import upkeep
from tests.api.caller import API_KEY, Api
from tests.model import keys, pruning
from tests.model.compare import adopt_random_times, differences
from tests.model.invariants import broken
from tests.model.rows import read_rows
from tests.model.settling import Holder
from tests.model.state import ENDED, WAITING, Queue, Refused, Task
from tests.support.http_client import Response
from tests.support.stopped_clock import START, StoppedClock

UNKNOWN_ID = 999_999_999
CALL = 1
"""Milliseconds that a call takes: no two tasks are made at the same moment."""


class Machine(RuleBasedStateMachine):
    """``api`` and ``clock`` are of the queue under test, which each run finds empty."""

    api: Api
    clock: StoppedClock

    def __init__(self) -> None:
        super().__init__()
        self.api.clear()
        self.api.sql("DELETE FROM settings WHERE name LIKE :rows", rows=f"{upkeep.ROWS}%")
        self.clock.move(START - self.clock.now)
        # The first claim ever makes this row, and cannot tell then when its worker was seen.
        self.api.sql(
            f"INSERT INTO settings (name, value) VALUES (:name, {self.api.site.db.dialect.now})",
            name=upkeep.NEXT_TURN,
        )
        self.queue = Queue(self.clock.now)
        self.key_text = ""
        """What is sent for ``queue.key``."""
        self._is_checked = True

    def pass_time(self, milliseconds: int) -> None:
        self.clock.move(milliseconds)
        self.queue.now = self.clock.now

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        model: Callable[[Response], Any],
        show: Callable[[Any], Any],
        query: dict[str, str] | None = None,
        scope: str,
        of_all_types: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        """One call. ``model`` does the same to the model, or raises Refused; it gets the response
        for what only the queue can tell, such as ids. ``show`` is what ``data`` must be then.
        ``scope`` is what the caller's key must have; a call ``of_all_types`` is for no key with
        type patterns.
        """
        self.pass_time(CALL)
        self.queue.did_upkeep = False
        key = self.key_text if self.queue.key else API_KEY
        sent = {"X-API-Key": key, **(headers or {})}
        response = self.api.call(method, path, body, sent, query=query)
        self._is_checked = False
        refusal = keys.refusal(self.queue, self.key_text, scope, of_all_types)
        if refusal:
            assert response.code in refusal, response
            return
        result = _result_or_refusal(lambda: model(response))
        if isinstance(result, Refused):
            assert response.code == result.code, response
            return
        assert response.status in (200, 201), response
        self.compare()
        expected = show(result)
        assert response.data == expected

    def post(
        self,
        path: str,
        body: Any,
        model: Callable[[Response], Any],
        show: Callable[[Any], Any],
        *,
        scope: str,
        of_all_types: bool = False,
    ) -> None:
        self.call(
            *("POST", path, body),
            model=model,
            show=show,
            scope=scope,
            of_all_types=of_all_types,
        )

    def get(
        self,
        path: str,
        show: Callable[[], Any],
        *,
        query: dict[str, Any] | None = None,
        scope: str = "read",
        of_all_types: bool = False,
    ) -> None:
        """A call that changes nothing. ``show`` may raise Refused."""
        self.call(
            "GET",
            path,
            query={name: str(value) for name, value in (query or {}).items()},
            model=lambda response: show(),
            show=lambda shown: shown,
            scope=scope,
            of_all_types=of_all_types,
        )

    @invariant()
    def tables_are_as_they_must_be(self) -> None:
        if not self._is_checked:
            self.compare()

    def compare(self) -> None:
        rows = read_rows(self.api.site)
        pruning.take_over(self.queue, rows)
        wrong = adopt_random_times(self.queue, rows)
        wrong += broken(rows)
        wrong += [] if wrong else differences(self.queue, rows)
        assert not wrong, "\n".join(wrong)
        self._is_checked = True

    def picked(self, pick: tuple[str, int]) -> int:
        """The id of a task in such a state; where there is none, of any."""
        state, number = pick
        known = [*self.queue.tasks.values()]
        found = [task for task in known if _is_in(task, state)] or known
        if state == "gone":
            found = self.queue.past
        return found[number % len(found)].id if found else UNKNOWN_ID

    def holder(self, task_id: int, drawn: tuple[str, str]) -> Holder:
        """Who a call says has the task."""
        task = self.queue.tasks.get(task_id)
        who, which = drawn
        worker_id = (task and task.claimed_by) or "w1" if who == "its" else who
        attempt = task.attempts if task else 1
        attempt += {"before": -1, "next": 1}.get(which, 0)
        return Holder(
            None if who == "none" else worker_id, None if which == "none" else max(0, attempt)
        )


def _is_in(task: Task, state: str) -> bool:
    """Whether a task is in a state that a pick names."""
    if state == "waiting":
        return task.status in WAITING
    if state == "ended":
        return task.status in ENDED
    if state == "released before":
        return task.status == "claimed" and task.releases > 0
    if state == "replaced":  # another has its dedupe key now
        return task.former_dedupe_key is not None
    return task.status == state


def _result_or_refusal(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Refused as refused:
        return refused


def at(path: str, name: str) -> str:
    """An address with this name in it."""
    return path.format(quote(name, safe=""))


def named(holder: Holder) -> dict[str, Any]:
    """As the fields of a call."""
    return {name: value for name, value in holder._asdict().items() if value is not None}
