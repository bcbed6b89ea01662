"""Claiming: the most wanted pending tasks, each to exactly one worker.

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
from app.queue import history, presence
from app.queue.candidates import Filter, Order, Wanted, types_with_running
from app.queue.changes import change_id_of, new_change_id
from app.queue.reclaim import BATCH, due_tasks, reclaim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.db.connection import Connection, Dialect, Row, Statement
    from app.site import Site

SPREAD = 16
"""How many tasks behind the head a beaten claimer chooses from."""

CONTENTION_SECONDS = 1.0
"""How long a process that was beaten goes for a random choice at once: measured, a quarter more
claims a second with eight claimers than when each tries the head first."""

MAX_ROUNDS = 20
"""Each lost round means that another claimer got a task, so this many end in patience, not in
a wrong "empty" for a queue that is not."""

MAX_RECLAIMS = 10
"""How many full batches of due tasks a claim works through before it says that it found none."""

LEASE = (
    "COALESCE(:lease, timeout, "
    "(SELECT task_types.timeout FROM task_types WHERE task_types.id = tasks.type_id), "
    ":default_lease)"
)

TAKEN_COLUMNS = (
    "id, type_id, params_json, attempts, max_attempts, urgency, due_at, lease, created_at, "
    "COALESCE(timeout, (SELECT task_types.timeout FROM task_types "
    "WHERE task_types.id = tasks.type_id)) AS timeout"
)


class ClaimRequest:
    """Who wants what. ``lease`` is in seconds; None leaves it to the task, its type, the site.

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
        self.change_id = change_id_of(worker_id, key) if key else new_change_id()
        self.again = again and key is not None
        self.limit = limit
        self.lease = lease
        self.types = types or Filter()
        self.order = order or Order()


class Claimed:
    """``tasks`` as stored, each with its ``type`` name; ``unknown_types`` that were asked for."""

    def __init__(self, tasks: list[Row], unknown_types: list[str]) -> None:
        self.tasks = tasks
        self.unknown_types = unknown_types


def claim(site: Site, request: ClaimRequest) -> Claimed:
    """Take back what is due, then claim up to ``request.limit`` tasks, in order.

    Raises a DatabaseError when the database is away or too busy; then nothing is claimed, or
    what was claimed comes back when its lease ends.
    """

    def work(connection: Connection) -> Claimed:
        attempt = _Claim(connection, site, request)
        # If it is cut off and runs again, what the first run took is not left lying.
        request.again = True
        return attempt.run()

    return site.db.run(work)


class _Claim:
    def __init__(self, connection: Connection, site: Site, request: ClaimRequest) -> None:
        self.connection = connection
        self.site = site
        self.settings = site.settings
        self.request = request
        self.again = request.again
        self.unseen = float("inf")
        """Seconds since the worker was last seen, as far as is written down."""

    def run(self) -> Claimed:
        for _ in range(MAX_RECLAIMS):
            due, wanted = self._look()
            if due:
                wanted = self._reclaim(due)
            tasks = self._taken_before() or self._take_wanted(wanted)
            if tasks or len(due) < BATCH:
                break
        if self.unseen > presence.IDLE_SECONDS:
            self.connection.transact(self._arrival())
        for task in tasks:
            if "type" not in task:
                task["type"] = wanted.names[task["type_id"]]
        return Claimed(tasks, self.request.types.unknown(wanted.names.values()))

    def _look(self) -> tuple[list[int], Wanted]:
        types = self.request.types
        sql = self.connection.dialect
        sign = presence.last_sign(sql, self.request.worker_id)
        due, found, seen = self.connection.send([due_tasks(sql), types.statement(sql), sign])
        if seen.rows:
            self.unseen = seen.rows[0]["age"]
        return [row["id"] for row in due.rows], Wanted(found.rows, types.wants_all)

    def _reclaim(self, due: list[int]) -> Wanted:
        types, sql = self.request.types, self.connection.dialect
        found = reclaim(self.connection, self.settings, due, and_then=types.statement(sql))
        return Wanted(found.rows, types.wants_all)

    def _taken_before(self) -> list[Row]:
        """What this claim took when it was asked for before, and is still held."""
        if not self.again:
            return []
        sql = self.connection.dialect
        values = {"change_id": self.request.change_id, "worker_id": self.request.worker_id}
        mine = "status = 'claimed' AND change_id = :change_id AND claimed_by = :worker_id"
        # All claimed tasks are looked through: there are never many, and this is rare.
        look = f"SELECT id FROM tasks {sql.by_index('tasks_claim')} WHERE {mine}"
        ids = [row["id"] for row in self.connection.query(look, values)]
        if not ids:
            return []
        held = f"id IN ({id_list(ids)}) AND {mine}"
        renew = f"UPDATE tasks {sql.by_primary_key} SET due_at = {sql.after('lease')} WHERE {held}"
        show = (
            f"SELECT {TAKEN_COLUMNS}, (SELECT task_types.name FROM task_types "
            f"WHERE task_types.id = tasks.type_id) AS type "
            f"FROM tasks {sql.by_primary_key} WHERE {held} ORDER BY urgency, id"
        )
        return self.connection.transact([(renew, values), (show, values)])[-1].rows

    def _take_wanted(self, wanted: Wanted) -> list[Row]:
        """The head of the queue, or a random part of what is behind it when beaten to it."""
        limit = self.request.limit
        for _ in range(MAX_ROUNDS):
            window = self.request.order.find(self.connection, wanted, limit + SPREAD)
            if not window:
                return []
            alone = time.monotonic() > self.site.contended_until
            chosen = window[:limit] if alone else _random_choice(window, limit)
            taken = self._take(chosen, wanted)
            if taken:
                return taken
            self.site.contended_until = time.monotonic() + CONTENTION_SECONDS
        return []

    def _take(self, rows: list[Row], wanted: Wanted) -> list[Row]:
        """Claim those of ``rows`` that are still pending: all in one transaction."""
        limited = sorted({row["type_id"] for row in rows} & set(wanted.room))
        if limited:
            rows = self._within_limits(rows, limited)
        order = [row["id"] for row in rows]
        finish = self.connection.commit if limited else self.connection.transact
        taken = {row["id"]: row for row in finish(self._take_statements(order))[-1].rows}
        self.unseen = min(self.unseen, presence.BUSY_SECONDS)
        return [taken[each] for each in order if each in taken]

    def _within_limits(self, rows: list[Row], limited: list[int]) -> list[Row]:
        """Open a transaction that keeps rivals away from types with ``max_running``, and leave
        out the tasks that would go over it, now that the count stands still.
        """
        sql = self.connection.dialect
        condition = f"id IN ({id_list(limited)})"
        locked = f"SELECT id FROM task_types WHERE {condition} ORDER BY id {sql.lock}"
        counted = types_with_running(sql, condition)
        found = self.connection.begin([(locked, {}), (counted, {})])
        return Wanted(found[1].rows, False).within_room(rows)

    def _arrival(self) -> list[Statement]:
        if self.unseen <= presence.BUSY_SECONDS:
            return []
        return presence.arrival(self.connection.dialect, self.request.worker_id)

    def _take_statements(self, ids: list[int]) -> list[Statement]:
        sql = self.connection.dialect
        change_id = self.request.change_id
        values = {
            "lease": self.request.lease,
            "default_lease": self.settings.task_claim_timeout,
            "worker_id": self.request.worker_id,
            "change_id": change_id,
        }
        mine = f"id IN ({id_list(ids)}) AND change_id = {change_id}"
        return [
            (_take_update(sql, ids), values),
            *history.of_tasks(self.settings, sql.now, mine),
            *self._arrival(),
            (f"SELECT {TAKEN_COLUMNS} FROM tasks {sql.by_primary_key} WHERE {mine}", {}),
        ]


def _take_update(sql: Dialect, ids: list[int]) -> str:
    return (
        f"UPDATE tasks {sql.by_primary_key} SET status = 'claimed', attempts = attempts + 1, "
        f"lease = {LEASE}, due_at = {sql.after(LEASE)}, change_id = :change_id, "
        f"claimed_by = :worker_id, claimed_at = {sql.now}, completed_at = NULL, "
        "progress = NULL, progress_message = NULL "
        f"WHERE id IN ({id_list(ids)}) AND status = 'pending'"
    )


def _random_choice(rows: list[Row], count: int) -> list[Row]:
    """``count`` of ``rows``, each as likely as any other, in their order."""
    positions = list(range(len(rows)))
    positions.sort(key=lambda _: os.urandom(4))
    return [rows[each] for each in sorted(positions[:count])]
