"""Claiming: the pending tasks that come first, each to exactly one worker.

Compare-and-swap: read the head of the queue without a lock, then change those rows where they
are still pending. A lone claimer always gets the head, so it sees the exact order. One that was
beaten to it goes for a random choice of those behind the head, where it meets few rivals, and
its process expects rivals for a moment.
Needs nothing newer than MySQL 5.7 and MariaDB 10.2, and works on Galera, where locks taken by
SELECT … FOR UPDATE are local to a node.
"""

from __future__ import annotations

import os
import time

from app.db.connection import id_list
from app.queue import history, last_seen, repeated_claims
from app.queue.candidates import EligibleTypes, Filter, Order, types_with_running
from app.queue.change_id import claim_id_of, new_change_id
from app.queue.repeated_claims import TAKEN_COLUMNS
from app.queue.upkeep.reclaim import BATCH, due_tasks, reclaim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Dialect, Result, Row, Statement
    from app.site import Site

SPREAD = 16
"""How many tasks behind the head a beaten claimer chooses from."""

CONTENTION_SECONDS = 1.0
"""How long a process that was beaten goes for a random choice at once: measured, a quarter more
claims a second with eight claimers than when each tries the head first."""

MAX_ROUNDS = 20
"""Each lost round means that another claimer got a task. Bounded, but high enough that a busy queue
is not reported as empty."""

MAX_RECLAIMS = 10
"""How many full batches of due tasks a claim works through before it says that it found none."""

LEASE = (
    "COALESCE(:lease, timeout, "
    "(SELECT task_types.timeout FROM task_types WHERE task_types.id = tasks.type_id), "
    ":default_lease)"
)


class ClaimRequest:
    """A worker's claim. ``lease`` is in seconds; None leaves it to the task, its type, the site.

    ``key`` names this claim among the worker's. ``again`` says that it was asked for before and
    no answer came: what it took then is handed out again, with new leases, if it took anything.
    """

    def __init__(
        self,
        worker_id: str,
        limit: int = 1,
        lease: float | None = None,
        types: Filter | None = None,
        order: Order | None = None,
        key: str | None = None,
        again: bool = False,
    ) -> None:
        self.worker_id = worker_id
        self.has_key = bool(key)
        self.claim_id = claim_id_of(worker_id, key) if key else new_change_id()
        self.again = again and self.has_key
        self.limit = limit
        self.lease = lease
        self.types = types or Filter()
        self.order = order or Order()


class ClaimResult:
    """``tasks`` as stored, each with its ``type`` name; ``unknown_types`` that were asked for."""

    def __init__(self, tasks: list[Row], unknown_types: list[str]) -> None:
        self.tasks = tasks
        self.unknown_types = unknown_types


def claim(site: Site, request: ClaimRequest) -> ClaimResult:
    """Take back what is due, then claim up to ``request.limit`` tasks, in order.

    Raises a DatabaseError when the database is away or too busy; then nothing is claimed, or
    what was claimed comes back when its lease ends.
    """
    runs = iter((request.again,))

    def work(connection: Connection) -> ClaimResult:
        # If it is cut off and runs again, what the first run took is not left lying.
        return _Claim(connection, site, request, again=next(runs, True)).run()

    return site.db.run(work)


class _Claim:
    """One run of a claim on one connection."""

    def __init__(
        self, connection: Connection, site: Site, request: ClaimRequest, again: bool
    ) -> None:
        self.connection = connection
        self.site = site
        self.settings = site.settings
        self.request = request
        self.again = again
        self.unseen = float("inf")
        """Seconds since the worker was last seen, as far as is written down."""
        self.mark = new_change_id()
        """Marks what only this run may change: the worker's row, and rows of limited types."""
        self.is_open = False
        """Whether a transaction is under way."""

    def run(self) -> ClaimResult:
        for _ in range(MAX_RECLAIMS):
            # What is due is taken back in a transaction of its own.
            self._end_empty_handed()
            due, eligible = self._look()
            if due:
                eligible = self._reclaim(due)
            tasks = self._taken_before() or self._take_eligible(eligible)
            if tasks or len(due) < BATCH:
                break
        self._end_empty_handed()
        if self.unseen > last_seen.IDLE_SECONDS:
            self.connection.transact(self._touch_last_seen())
        for task in tasks:
            if "type" not in task:
                task["type"] = eligible.names[task["type_id"]]
        return ClaimResult(tasks, self.request.types.unknown(eligible.names.values()))

    def _look(self) -> tuple[list[int], EligibleTypes]:
        types = self.request.types
        sql = self.connection.dialect
        seen = last_seen.seconds_since_seen(sql, self.request.worker_id)
        due, found, last = self.connection.send([due_tasks(sql), types.statement(sql), seen])
        if last.rows:
            self.unseen = last.rows[0]["age"]
        return [row["id"] for row in due.rows], EligibleTypes(found.rows, types.takes_all)

    def _reclaim(self, due: list[int]) -> EligibleTypes:
        types, sql = self.request.types, self.connection.dialect
        found = reclaim(self.connection, self.settings, due, and_then=types.statement(sql))
        return EligibleTypes(found.rows, types.takes_all)

    def _taken_before(self) -> list[Row]:
        """What this claim took when it was asked for before, and is still held."""
        if not self.again:
            return []
        sql, request = self.connection.dialect, self.request
        look = repeated_claims.held(sql, request.worker_id, request.claim_id)
        if request.has_key:
            # A repeat comes after whatever its first sending does at the moment, or before it.
            turn = repeated_claims.take_turn(sql, request.worker_id, request.claim_id, self.mark)
            found = self._begin([*turn, look])[-1]
        else:
            found = self.connection.send([look])[0]
        ids = [row["id"] for row in found.rows]
        if not ids:
            return []
        renew, show = repeated_claims.renew(sql, request.worker_id, request.claim_id, ids)
        return self._finish_and_show([renew], show)[-1].rows

    def _take_eligible(self, eligible: EligibleTypes) -> list[Row]:
        """The head of the queue, or a random part of what is behind it when beaten to it."""
        limit = self.request.limit
        for _ in range(MAX_ROUNDS):
            window = self.request.order.find(self.connection, eligible, limit + SPREAD)
            if not window:
                return []
            alone = time.monotonic() > self.site.contended_until
            chosen = window[:limit] if alone else _random_choice(window, limit)
            taken = self._take(chosen, eligible)
            if taken:
                return taken
            if self._is_overtaken():
                return self._taken_before()
            # A repeat's turn ended with its transaction; another call of the worker may be next.
            taken = self._taken_before()
            if taken:
                return taken
            self.site.contended_until = time.monotonic() + CONTENTION_SECONDS
        return []

    def _take(self, rows: list[Row], eligible: EligibleTypes) -> list[Row]:
        """Claim those of ``rows`` that are still pending: all in one transaction."""
        limited = sorted({row["type_id"] for row in rows} & set(eligible.capacity))
        if limited:
            rows = self._within_limits(rows, limited)
        order = [row["id"] for row in rows]
        change_id = new_change_id()
        mine = f"id IN ({id_list(order)}) AND change_id = {change_id}"
        show = f"SELECT {TAKEN_COLUMNS} FROM tasks {self.connection.dialect.by_primary_key}"
        if self.connection.is_cluster:
            # By the time that this is looked at, a cancel may have marked the task as its own.
            mine += f" OR id IN ({id_list(order)}) AND {self._cancelled_since()}"
        results = self._finish_and_show(
            self._take_statements(order, change_id, limited), (f"{show} WHERE {mine}", {})
        )
        taken = {row["id"]: row for row in results[-1].rows}
        if taken:
            self.unseen = min(self.unseen, last_seen.BUSY_SECONDS)
        return [taken[each] for each in order if each in taken]

    def _cancelled_since(self) -> str:
        claim_id = int(self.request.claim_id)
        return f"status = 'claimed' AND cancel_requested = 1 AND claim_id = {claim_id}"

    def _within_limits(self, rows: list[Row], limited: list[int]) -> list[Row]:
        """Open a transaction that keeps rivals away from types with ``max_running``, and leave
        out the tasks that would go over it, now that the count stands still.

        The rows of the types are written, not only locked: the nodes of a cluster know nothing
        of one another's locks.
        """
        sql = self.connection.dialect
        condition = f"id IN ({id_list(limited)})"
        marked = f"UPDATE task_types SET claim_mark = {self.mark} WHERE {condition}"
        # A repeat has looked at the tasks before in this transaction.
        stale = self.is_open and self.connection.has_snapshots
        counted = types_with_running(sql, condition, sql.lock if stale else "")
        found = self._begin([(marked, {}), (counted, {})])
        return EligibleTypes(found[-1].rows, False).within_capacity(rows)

    def _begin(self, statements: list[Statement]) -> list[Result]:
        """The statements in the open transaction, or in a new one that stays open."""
        step = self.connection.send if self.is_open else self.connection.begin
        self.is_open = True
        return step(statements)

    def _finish(self, statements: list[Statement], afterwards: list[Statement]) -> list[Result]:
        """The statements, then COMMIT, then ``afterwards``."""
        end = self.connection.commit if self.is_open else self.connection.transact
        self.is_open = False
        return end(statements, afterwards)

    def _finish_and_show(self, statements: list[Statement], show: Statement) -> list[Result]:
        """Run the statements and read what they left, before anybody else can change it. Only on
        a cluster can that be read only after the COMMIT.
        """
        if self.connection.is_cluster:
            return self._finish(statements, [show])
        return self._finish([*statements, show], [])

    def _end_empty_handed(self) -> None:
        if self.is_open:
            self._finish([], [])

    def _is_overtaken(self) -> bool:
        """Whether a repeat of this very claim came before it: then both are to get the same."""
        if self.again or not self.request.has_key:
            return False
        sql = self.connection.dialect
        look = repeated_claims.last_repeated(sql, self.request.worker_id)
        rows = self.connection.query(*look)
        self.again = bool(rows) and rows[0]["repeated_claim"] == self.request.claim_id
        return self.again

    def _touch_last_seen(self) -> list[Statement]:
        if self.unseen <= last_seen.BUSY_SECONDS:
            return []
        return last_seen.touch_last_seen(self.connection.dialect, self.request.worker_id)

    def _take_statements(
        self, ids: list[int], change_id: int, limited: list[int]
    ) -> list[Statement]:
        sql, request = self.connection.dialect, self.request
        values = {
            "lease": request.lease,
            "default_lease": self.settings.task_claim_timeout,
            "worker_id": request.worker_id,
            "change_id": change_id,
            "claim_id": request.claim_id,
        }
        opening: list[Statement] = []
        guard = ""
        if limited:
            marked = _is_marked("task_types", "tasks.type_id", self.mark)
            guard = f" AND (type_id NOT IN ({id_list(limited)}) OR {marked})"
        if request.has_key:
            if not self.again:
                # Only workers that have been away for days are forgotten.
                has_row = self.unseen <= last_seen.IDLE_SECONDS
                opening = repeated_claims.come_first(
                    sql, request.worker_id, request.claim_id, self.mark, has_row
                )
            guard += f" AND {_is_marked('workers', ':worker_id', self.mark)}"
        mine = f"id IN ({id_list(ids)}) AND change_id = {change_id}"
        return [
            *opening,
            (_take_update(sql, ids) + guard, values),
            *history.of_tasks(self.settings, sql, mine),
            *self._touch_last_seen(),
        ]


def _is_marked(table: str, row_id: str, mark: int) -> str:
    """True while this run's mark on that row stands: not when a rival node has undone it."""
    return f"EXISTS (SELECT 1 FROM {table} WHERE {table}.id = {row_id} AND claim_mark = {mark})"


def _take_update(sql: Dialect, ids: list[int]) -> str:
    return (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'claimed', attempts = attempts + 1, "
        f"lease = {LEASE}, due_at = {sql.after(LEASE)}, change_id = :change_id, "
        f"claim_id = :claim_id, claimed_by = :worker_id, claimed_at = {sql.now}, "
        "last_outcome = NULL, completed_at = NULL, progress = NULL, progress_message = NULL "
        f"WHERE id IN ({id_list(ids)}) AND status = 'pending'"
    )


def _random_choice(rows: list[Row], count: int) -> list[Row]:
    """``count`` of ``rows``, each as likely as any other, in their order."""
    positions = list(range(len(rows)))
    positions.sort(key=lambda _: os.urandom(4))
    return [rows[each] for each in sorted(positions[:count])]
