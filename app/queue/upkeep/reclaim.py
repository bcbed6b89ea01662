"""Taking back what is due: leases that expired, and scheduled tasks whose time has come.

Nothing runs by itself here, so each claim looks first. The look is a plain SELECT on a small
index and takes no lock; only when it finds something is there a transaction.
"""

from __future__ import annotations

import os

from app.db.connection import id_list
from app.queue import history, lanes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.config import Settings
    from app.db.connection import Connection, Dialect, Result, Row, Statement

BATCH = 100
"""How many due tasks one claim takes back at most."""

BACKLOG_SHARE = 8
"""While more than a batch is due and other tasks wait, one claim in so many takes a batch back: the
others go on at their pace.
"""

LEASE_EXPIRED = "lease expired"


def due_tasks(sql: Dialect) -> Statement:
    """Finds the ids of due tasks, the longest due first: one more than a batch if there are."""
    return (
        f"SELECT id FROM tasks {sql.by_index('tasks_due')} "
        f"WHERE due_at <= {sql.now} ORDER BY due_at LIMIT {BATCH + 1}",
        {},
    )


class DueTasks:
    """What ``due_tasks`` found: ``batch`` is what one claim takes back at most."""

    def __init__(self, rows: list[Row]) -> None:
        self.batch = [row["id"] for row in rows[:BATCH]]
        self.are_many = len(rows) > BATCH

    def is_left_to_others(self) -> bool:
        """Whether this claim may leave them to others, if it finds other tasks."""
        return self.are_many and os.urandom(1)[0] % BACKLOG_SHARE != 0


def reclaim(
    connection: Connection, settings: Settings, ids: list[int], and_then: list[Statement]
) -> list[Result]:
    """Make due tasks claimable again, or end them where attempts are used up or a cancel waits.

    Other claimers found the same ids; whoever locks them first does the work, the rest find
    them no longer due. ``and_then`` is asked in the same round trip; its results are returned.
    """
    rows = connection.begin([_lock(connection.dialect, ids)])[0].rows
    statements: list[Statement] = []
    for transition, members in _by_transition(rows).items():
        statements += transition.statements(connection.dialect, settings, members)
    waited_again = [row["id"] for row in rows if row["status"] == "scheduled" and row["attempts"]]
    if waited_again:
        from app.queue import waiting_again  # loaded when needed

        statements.append(waiting_again.forget(connection.dialect, waited_again))
    return connection.commit([*statements, *and_then])[len(statements) :]


def _lock(sql: Dialect, ids: list[int]) -> Statement:
    return (
        "SELECT id, status, attempts, max_attempts, cancel_requested "
        f"FROM tasks {sql.by_primary_key} "
        f"WHERE id IN ({id_list(ids)}) AND due_at <= {sql.now} ORDER BY id {sql.lock}",
        {},
    )


class _Transition:
    """How due tasks of one kind change."""

    def __init__(self, old_status: str, new_status: str) -> None:
        self.old_status = old_status
        self.new_status = new_status

    def statements(self, sql: Dialect, settings: Settings, ids: list[int]) -> list[Statement]:
        # The rows are locked; on a cluster a rival may break the lock, and then only this holds.
        condition = (
            f"id IN ({id_list(ids)}) AND status = '{self.old_status}' AND due_at <= {sql.now}"
        )
        is_ready = self.new_status == "pending"
        status = lanes.READY_STATUS if is_ready else f"'{self.new_status}'"
        slot = lanes.READY_SLOT if is_ready else "NULL"
        update = (
            f"UPDATE tasks {sql.by_primary_key} "
            f"SET {self._assignments(sql)}key_slot = {slot}, status = {status}, due_at = NULL "
            f"WHERE {condition}"
        )
        return [*self._noted(sql, settings, condition), (update, {}), lanes.make_due(sql, ids)]

    def _noted(self, sql: Dialect, settings: Settings, condition: str) -> list[Statement]:
        """What is told of the change: before it, while it is known who held the task."""
        status = f"'{self.new_status}'"
        if self.old_status == "scheduled":
            return history.record(
                settings, sql, condition, status=status, worker="NULL", message=history.PROMOTED
            )
        if self.new_status != "failed":
            return history.record(settings, sql, condition, status=status, message=LEASE_EXPIRED)
        from app.queue import error_groups  # loaded when needed

        group = error_groups.group_of(LEASE_EXPIRED)
        return [
            *history.record(
                settings, sql, condition, status=status, message=LEASE_EXPIRED, error_group=group
            ),
            error_groups.record(sql, condition, str(group), {}),
        ]

    def _assignments(self, sql: Dialect) -> str:
        """What changes besides ``status`` and ``due_at``, before they do: MySQL reads what it has
        already assigned.
        """
        if self.old_status == "scheduled":
            return "ready_at = due_at, "
        assignments = "claimed_by = NULL, lease = NULL, "
        if self.new_status == "pending":
            assignments += f"ready_at = {sql.now}, "
        else:
            assignments += f"completed_at = {sql.now}, cancel_requested = 0, "
        if self.new_status == "failed":
            assignments += f"error_message = '{LEASE_EXPIRED}', "
        return assignments


PROMOTE = _Transition("scheduled", "pending")
REQUEUE = _Transition("claimed", "pending")
DEAD_LETTER = _Transition("claimed", "failed")
CANCEL = _Transition("claimed", "cancelled")


def _by_transition(rows: list[Row]) -> dict[_Transition, list[int]]:
    groups: dict[_Transition, list[int]] = {}
    for row in rows:
        groups.setdefault(_transition_of(row), []).append(row["id"])
    return groups


def _transition_of(row: Row) -> _Transition:
    if row["status"] == "scheduled":
        return PROMOTE
    if row["cancel_requested"]:
        return CANCEL
    return REQUEUE if row["attempts"] < row["max_attempts"] else DEAD_LETTER
