"""Settling: a worker says how an attempt ended.

Each settle is one conditional UPDATE with its line of the history, and many of them travel in one
packet, so a batch costs one round trip like a single one.
"""

from __future__ import annotations

import os

from app.queue import history
from app.queue.batch import Batch, Change, Changed, ChangeResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.errors import QueueError
    from app.queue.fencing import LeaseRef
    from app.site import Site

JITTER = 0.1
"""Share by which a backoff is lengthened or shortened at random, so that tasks that failed
together do not come back together."""

WILL_RETRY = "(cancel_requested = 0 AND :retry = 1 AND attempts < max_attempts)"

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
        return same and self.lease_ref.matches(row["claimed_by"], row["attempts"])


class Completion(Outcome):
    """``result_json`` is any JSON text, or None where the worker gave no result."""

    kind = "completed"

    def __init__(self, lease_ref: LeaseRef, result_json: str | None) -> None:
        self.lease_ref = lease_ref
        self.result_json = result_json

    def statements(self, site: Site, change_id: int) -> list[Statement]:
        sql = site.db.dialect
        update = (
            f"UPDATE tasks {sql.by_primary_key} SET status = 'completed', due_at = NULL, "
            f"change_id = :change_id, last_outcome = 'completed', "
            f"result_json = :result, error_message = NULL, error_traceback = NULL, "
            f"progress = 100, completed_at = {sql.now}, cancel_requested = 0 "
            f"WHERE {self.lease_ref.condition}"
        )
        values = {**self.lease_ref.values(change_id), "result": self.result_json}
        return [(update, values), *_history(site, self.lease_ref.changed(change_id), None)]


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

    def statements(self, site: Site, change_id: int) -> list[Statement]:
        settings = site.settings
        values = {
            **self.lease_ref.values(change_id),
            "error": self.error,
            "traceback": self.traceback,
            "retry": int(self.retry),
            "delay": self.delay,
            "retry_delay": settings.retry_delay,
            "retry_max_delay": settings.retry_max_delay,
            "jitter": _jitter(),
        }
        update = _fail_update(site.db.dialect, self.lease_ref)
        changed = self.lease_ref.changed(change_id)
        return [(update, values), *_history(site, changed, self.error)]


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
    if result.refusal is None or not result.row:
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


def _fail_update(sql: Dialect, lease_ref: LeaseRef) -> str:
    # MySQL assigns from left to right and reads what it has already assigned, so the columns
    # that WILL_RETRY reads come last.
    doubled = f"{BACKOFF_BASE} * (1 << {sql.least('attempts - releases - 1', '30')})"
    backoff = f"COALESCE(:delay, {sql.least(doubled, BACKOFF_MOST)} * :jitter)"
    return (
        f"UPDATE tasks {sql.by_primary_key} SET "
        f"status = CASE WHEN cancel_requested = 1 THEN 'cancelled' "
        f"WHEN {WILL_RETRY} THEN 'scheduled' ELSE 'failed' END, "
        f"due_at = CASE WHEN {WILL_RETRY} THEN {sql.after(backoff)} ELSE NULL END, "
        f"completed_at = CASE WHEN {WILL_RETRY} THEN NULL ELSE {sql.now} END, "
        "error_message = :error, error_traceback = :traceback, change_id = :change_id, "
        "last_outcome = 'failed', cancel_requested = 0 "
        f"WHERE {lease_ref.condition}"
    )


def _history(site: Site, changed: str, message: str | None) -> list[Statement]:
    sql = site.db.dialect
    seconds = sql.seconds_since("claimed_at")
    return history.record(site.settings, sql, changed, message=message, seconds=seconds)


def _jitter() -> float:
    share = int.from_bytes(os.urandom(2), "big") / 65535
    return 1 - JITTER + 2 * JITTER * share
