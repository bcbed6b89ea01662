"""Settling: a worker says how an attempt ended.

All completions of a batch are one conditional UPDATE and one INSERT into the history, all failures
are another such pair, and they travel in one packet: a batch costs one round trip, like a single
task.
"""

from __future__ import annotations

import os

from app.queue import history, lanes
from app.queue.batch import Batch, Change, Changed, ChangeResult
from app.queue.fencing import Fence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Row, Statement
    from app.errors import QueueError
    from app.queue.fencing import LeaseRef
    from app.site import Site

JITTER = 0.1
"""Share by which a backoff is lengthened or shortened at random, so that tasks that failed
together do not come back together."""

BACKOFF_BASE = (
    "COALESCE((SELECT task_types.retry_delay FROM task_types "
    "WHERE task_types.id = tasks.type_id), :retry_delay)"
)
BACKOFF_MOST = (
    "COALESCE((SELECT task_types.retry_max_delay FROM task_types "
    "WHERE task_types.id = tasks.type_id), :retry_max_delay)"
)


class Outcome(Change):
    """How one attempt ended, by whoever holds it."""

    kind: str
    """What the task's ``last_outcome`` is then: ``completed``, ``failed`` or ``released``."""

    def is_repeat(self, row: Row) -> bool:
        """Whether the task already is as this same outcome of this same attempt left it."""
        same = _last_outcome(row) == self.kind
        return (
            same
            and self.lease_ref.matches(row["claimed_by"], row["attempts"])
            and self.lease_ref.owns(row)
        )


class Completion(Outcome):
    """``result_json`` is any JSON text, or None where the worker gave no result."""

    kind = "completed"

    def __init__(self, lease_ref: LeaseRef, result_json: str | None) -> None:
        self.lease_ref = lease_ref
        self.result_json = result_json

    def long_texts(self) -> list[str | None]:
        return [self.result_json]

    @staticmethod
    def statements(site: Site, changes: Sequence[Completion], change_id: int) -> list[Statement]:
        return complete_tasks(site, changes, change_id)


class Failure(Outcome):
    """``delay`` in seconds before the next attempt; None leaves it to the backoff."""

    kind = "failed"

    def __init__(
        self,
        lease_ref: LeaseRef,
        error: str,
        traceback: str | None = None,
        retry: bool = True,
        delay: float | None = None,
    ) -> None:
        self.lease_ref = lease_ref
        self.error = error
        self.traceback = traceback
        self.retry = retry
        self.delay = delay

    def long_texts(self) -> list[str | None]:
        return [self.error, self.traceback]

    @staticmethod
    def statements(site: Site, changes: Sequence[Failure], change_id: int) -> list[Statement]:
        return fail_tasks(site, changes, change_id)


class SettleResult(ChangeResult):
    """What one outcome did."""

    def __init__(self, outcome: Outcome, row: Row | None, refusal: QueueError | None) -> None:
        super().__init__(outcome.lease_ref.task_id, row, refusal)
        self.outcome = outcome


def settle(site: Site, outcomes: Sequence[Outcome]) -> list[SettleResult]:
    """Settle all of these in one transaction; each is accepted or refused on its own.

    Settling again with the same outcome for the same attempt gives the same result: the first
    may have been lost on its way.
    """
    batch = Batch(outcomes)
    return site.db.run(lambda connection: _settle(connection, site, outcomes, batch))


def _settle(
    connection: Connection, site: Site, outcomes: Sequence[Outcome], batch: Batch
) -> list[SettleResult]:
    changed = batch.send(connection, site)
    results = [_judge(outcome, each) for outcome, each in zip(outcomes, changed)]
    if site.settings.enable_task_history:
        return _accept_old_repeats(connection, results)
    return results


def _judge(outcome: Outcome, changed: Changed) -> SettleResult:
    row = changed.row
    if row is not None and (changed.is_done or changed.was_done or outcome.is_repeat(row)):
        return SettleResult(outcome, row, None)
    return SettleResult(outcome, row, outcome.lease_ref.refusal(row))


def _last_outcome(row: Row) -> str | None:
    """How a worker ended the task's last attempt. The first version of the tables did not note
    it: there, a task that remembers its worker and is not completed was failed by it.
    """
    if row["status"] in ("claimed", "completed"):
        return "completed" if row["status"] == "completed" else None
    return row["last_outcome"] or "failed"


def _accept_old_repeats(
    connection: Connection, results: Sequence[SettleResult]
) -> list[SettleResult]:
    """What was refused because the task has gone on since may be a repeat all the same: the
    history tells how each attempt ended.
    """
    refused = {each.task_id for each in results if each.refusal is not None and each.row}
    if not refused:
        return list(results)
    endings = connection.query(*history.endings(refused))
    return [_repeat_of(each, endings) or each for each in results]


def _repeat_of(result: SettleResult, endings: Sequence[Row]) -> SettleResult | None:
    # The history does not tell keys apart: whose task it is now decides whether that may be read.
    if result.refusal is None or not result.row or not result.outcome.lease_ref.owns(result.row):
        return None
    for ending in endings:
        if _is_ending(result.outcome, ending):
            row = {**result.row, "status": ending["status"], "due_at": None}
            return SettleResult(result.outcome, row, None)
    return None


def _is_ending(outcome: Outcome, ending: Row) -> bool:
    return (
        ending["task_id"] == outcome.lease_ref.task_id
        and history.outcome_of(ending) == outcome.kind
        # Without its number an attempt cannot be told from a later one of the same worker.
        and outcome.lease_ref.attempt is not None
        and outcome.lease_ref.matches(ending["worker_id"], ending["attempt"])
    )


def complete_tasks(
    site: Site, completions: Sequence[Completion], change_id: int
) -> list[Statement]:
    """Complete each of these tasks while its lease reference holds, and tell of those completed."""
    sql = site.db.dialect
    tasks = Fence([each.lease_ref for each in completions], change_id)
    result = tasks.own("result", [each.result_json for each in completions])
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'completed', due_at = NULL, "
        "change_id = :change_id, last_outcome = 'completed', "
        f"result_json = {result}, error_message = NULL, error_traceback = NULL, "
        f"progress = 100, completed_at = {sql.now}, key_slot = NULL, cancel_requested = 0 "
        f"WHERE {tasks.condition()}"
    )
    told = _history(site, tasks, [None] * len(completions))
    return [(update, tasks.values), *told, lanes.make_keys_due(sql, tasks.task_ids, change_id)]


def fail_tasks(site: Site, failures: Sequence[Failure], change_id: int) -> list[Statement]:
    """Fail each of these tasks while its lease reference holds, or schedule its next attempt, and
    tell of those changed.
    """
    sql, settings = site.db.dialect, site.settings
    tasks = Fence([each.lease_ref for each in failures], change_id)
    error = tasks.own("error", [each.error for each in failures])
    traceback = tasks.own("traceback", [each.traceback for each in failures])
    retry = tasks.own("retry", [int(each.retry) for each in failures])
    delay = tasks.own("delay", [each.delay for each in failures])
    jitter = tasks.own("jitter", [_jitter() for _ in failures])
    tasks.values.update(retry_delay=settings.retry_delay, retry_max_delay=settings.retry_max_delay)
    will_retry = f"(cancel_requested = 0 AND {retry} = 1 AND attempts < max_attempts)"
    doubled = f"{BACKOFF_BASE} * (1 << {sql.least('attempts - releases - 1', '30')})"
    backoff = f"COALESCE({delay}, {sql.least(doubled, BACKOFF_MOST)} * {jitter})"
    # MySQL assigns from left to right and reads what it has already assigned, so the columns
    # that will_retry reads come last.
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET "
        f"status = CASE WHEN cancel_requested = 1 THEN 'cancelled' "
        f"WHEN {will_retry} THEN 'scheduled' ELSE 'failed' END, "
        f"due_at = CASE WHEN {will_retry} THEN {sql.after(backoff)} ELSE NULL END, "
        f"completed_at = CASE WHEN {will_retry} THEN NULL ELSE {sql.now} END, "
        f"error_message = {error}, error_traceback = {traceback}, change_id = :change_id, "
        "last_outcome = 'failed', key_slot = NULL, cancel_requested = 0 "
        f"WHERE {tasks.condition()}"
    )
    told = _tell_of_failures(site, tasks, failures)
    return [(update, tasks.values), *told, lanes.make_keys_due(sql, tasks.task_ids, change_id)]


def _tell_of_failures(site: Site, tasks: Fence, failures: Sequence[Failure]) -> list[Statement]:
    """Tells of the attempts that failed, and which kind of error ended a task."""
    from app.queue import error_groups  # only failures need its patterns

    groups = [error_groups.group_of(each.error) for each in failures]
    errors = [each.error for each in failures]
    return [
        *_history(site, tasks, errors, groups, history.LAST_TRACEBACK),
        error_groups.record_each(site.db.dialect, tasks.task_ids, tasks.change_id, groups),
    ]


def _history(
    site: Site,
    tasks: Fence,
    messages: Sequence[str | None],
    groups: Sequence[int] = (),
    traceback: str = "NULL",
) -> list[Statement]:
    """Tells of the attempts that the UPDATE before it ended, and how long they took."""
    sql = site.db.dialect
    seconds = sql.seconds_since("claimed_at")
    return history.record_each(
        site.settings, sql, tasks.task_ids, tasks.change_id, messages, seconds, groups, traceback
    )


def _jitter() -> float:
    share = int.from_bytes(os.urandom(2), "big") / 65535
    return 1 - JITTER + 2 * JITTER * share
