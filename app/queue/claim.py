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

from app.queue import compare_and_swap, history, lanes
from app.queue.candidates import Candidates
from app.queue.change_id import claim_id_of, new_change_id
from app.queue.claim_order import Order
from app.queue.claim_transaction import ClaimTransaction
from app.queue.eligible_types import Filter, limited
from app.queue.last_seen import LastSeen
from app.queue.repeated_claims import RepeatedClaim
from app.queue.task_fields import PENDING_SINCE
from app.queue.type_limits import TypeLimits
from app.queue.upkeep.reclaim import DueTasks, due_tasks, reclaim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Result, Row, Statement
    from app.queue.access import Access
    from app.site import Site

SPREAD = 16
SPREAD_OF_BATCH = 4
"""How many tasks behind the head a beaten claimer chooses from: at least so many, and so many for
each that it wants. Measured with eight claimers of tens and fifties, a fifth more tasks a second
than with 16 for all.
"""

CONTENTION_SECONDS = 1.0
"""How long a process that was beaten goes for a random choice at once: measured, a quarter more
claims a second with eight claimers than when each tries the head first."""

MAX_ROUNDS = 20
"""Each lost round means that another claimer got a task. Bounded, but high enough that a busy queue
is not reported as empty."""

FAIR_ROUNDS = 10
"""After how many lost rounds a claim in the fair order goes for a random choice, too. Until then it
keeps exactly to the turns."""

MAX_ROUNDS_OF_LANES = 3
"""How often a claim lets tasks through before it takes some: tasks that a key lets through may be
waiting for their type's rate then."""

MAX_RECLAIMS = 10
"""How many full batches of due tasks a claim works through before it says that it found none."""


class ClaimRequest:
    """A worker's claim. ``lease`` is in seconds; None leaves it to the task, its type, the site.

    ``key`` names this claim among the worker's. ``again`` says that it was asked for before and
    no answer came: what it took then is handed out again, with new leases, if it took anything.

    ``access`` is what the caller's API key allows. It claims tasks of its types alone, and what
    another one claimed is not handed out again to it, whatever worker's name comes with it.
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
        access: Access | None = None,
    ) -> None:
        self.worker_id = worker_id
        self.has_key = bool(key)
        self.key_id = None if access is None else access.key_id
        names = [] if access is None else [f"API key {access.key_id}"]
        self.claim_id = claim_id_of(worker_id, key, *names) if key else new_change_id()
        self.again = again and self.has_key
        self.limit = limit
        self.lease = lease
        self.types = (types or Filter()).within(access)
        self.order = order or Order()


class ClaimResult:
    """``tasks`` as stored, each with its ``type`` name; ``unknown_types`` that were asked for;
    whether ``upkeep_is_due``.
    """

    def __init__(
        self, tasks: list[Row], unknown_types: list[str], upkeep_is_due: bool = False
    ) -> None:
        self.tasks = tasks
        self.unknown_types = unknown_types
        self.upkeep_is_due = upkeep_is_due


def claim(site: Site, request: ClaimRequest) -> ClaimResult:
    """Take back what is due, then claim up to ``request.limit`` tasks, in order.

    Raises a DatabaseError when the database is away or too busy; then nothing is claimed, or
    what was claimed comes back when its lease ends. Upkeep that is due never fails a claim.
    """
    result = _claim(site, request)
    if result.upkeep_is_due:
        from app.queue.upkeep import turn  # loaded when needed

        if turn.take_turn(site) and not result.tasks:
            return _claim(site, request)  # a schedule may have made one
    return result


def _claim(site: Site, request: ClaimRequest) -> ClaimResult:
    return site.db.run(lambda connection: _Claim(connection, site, request).run())


class _Claim:
    """One run of a claim on one connection."""

    def __init__(self, connection: Connection, site: Site, request: ClaimRequest) -> None:
        self._connection = connection
        self._site = site
        self._request = request
        self._transaction = ClaimTransaction(connection)
        self._seen = LastSeen(connection.dialect, request.worker_id)
        self._limits = TypeLimits(self._transaction)
        # If it is cut off and runs again, what the first run took is not left lying.
        again = request.again or connection.earlier_runs > 0
        self._repeated = RepeatedClaim(self._transaction, request, again)
        self._candidates = _candidates(connection, request)
        # How many candidates are looked for: only a claimer that has rivals needs a choice.
        self._wanted = request.limit
        if time.monotonic() < site.contended_until and not request.order.is_fair:
            self._wanted += _spread(request.limit)

    def run(self) -> ClaimResult:
        for turn in range(MAX_RECLAIMS):
            # What is due is taken back in a transaction of its own.
            self._transaction.end_empty_handed()
            due, found = self._look()
            if due.batch and not (turn == 0 and self._goes_ahead(due, found)):
                found = self._reclaim(due)
            if self._seen.lanes_are_due:
                found = self._let_through()
            tasks = self._repeated.taken_before() or self._take_candidates(found)
            if tasks or not due.are_many:
                break
        self._transaction.end_empty_handed()
        touch = self._seen.touch_alone()
        if touch:
            self._connection.transact(touch)
        unknown_types = self._request.types.unknown(found[0].rows)
        return ClaimResult(tasks, unknown_types, self._seen.upkeep_is_due)

    def _look(self) -> tuple[DueTasks, Sequence[Result]]:
        """What is due, and what the candidates are found by."""
        due, last, *found = self._connection.send(
            [
                due_tasks(self._connection.dialect),
                self._seen.look,
                *self._candidates.look(self._wanted),
            ]
        )
        self._seen.found(last.rows)
        return DueTasks(due.rows), found

    def _goes_ahead(self, due: DueTasks, found: Sequence[Result]) -> bool:
        """Whether tasks are claimed and what is due is left to other claims."""
        return self._candidates.head_has(found, self._request.limit) and due.is_left_to_others()

    def _reclaim(self, due: DueTasks) -> Sequence[Result]:
        look = [self._seen.look, *self._candidates.look(self._wanted)]
        last, *found = reclaim(self._connection, self._site.settings, due.batch, and_then=look)
        self._seen.found(last.rows)
        return found

    def _let_through(self) -> Sequence[Result]:
        """What the candidates are found by, when tasks that a limit held back were let through."""
        from app.queue.upkeep.let_through import let_through  # loaded when needed

        look = self._candidates.look(self._wanted)
        for _ in range(MAX_ROUNDS_OF_LANES):
            are_more, found = let_through(self._connection, look)
            if not are_more:
                break
        return found

    def _take_candidates(self, found: Sequence[Result]) -> list[Row]:
        """The head of the queue, or a random part of what is behind it when beaten to it."""
        if self._seen.queue_is_paused:
            return []
        for turn in range(MAX_ROUNDS):
            rows = self._candidates.find(found, self._wanted)
            if not rows:
                return []
            taken = self._take(_random_choice(rows, self._request.limit))
            if taken:
                return taken
            if self._repeated.is_overtaken():
                return self._repeated.taken_before()
            # A repeat's turn ended with its transaction; another call of the worker may be next.
            taken = self._repeated.taken_before()
            if taken:
                return taken
            if not self._request.order.is_fair or turn >= FAIR_ROUNDS:
                self._wanted = self._request.limit + _spread(self._request.limit)
            self._site.contended_until = time.monotonic() + CONTENTION_SECONDS
            found = self._connection.send(self._candidates.look(self._wanted))
        return []

    def _take(self, rows: list[Row]) -> list[Row]:
        """Claim those of ``rows`` that are still pending: all in one transaction."""
        limited_types = limited(rows)
        if limited_types:
            rows = self._limits.within(rows, limited_types)
        ids = [row["id"] for row in rows]
        change_id = new_change_id()
        statements = self._take_statements(rows, change_id, self._limits.guard(limited_types))
        show = compare_and_swap.show(self._connection, self._request, ids, change_id)
        found = self._transaction.finish_and_show(statements, show)
        if found:
            self._seen.was_touched()
        taken = {row["id"]: row for row in found}
        return [taken[each] for each in ids if each in taken]

    def _take_statements(self, rows: list[Row], change_id: int, guard: str) -> list[Statement]:
        sql, settings = self._connection.dialect, self._site.settings
        ids = [row["id"] for row in rows]
        update, values = compare_and_swap.take(sql, settings, self._request, ids, change_id)
        return [
            *self._repeated.opening(self._seen.has_row),
            (update + guard + self._repeated.guard, values),
            *history.record(
                settings,
                sql,
                compare_and_swap.took(ids, change_id),
                waited=sql.seconds_since(PENDING_SINCE),
            ),
            *lanes.count_claims(sql, rows, compare_and_swap.took(ids, change_id), change_id),
            *self._seen.touch_with_others(),
            # Last: claims of the same turn wait for each other from here on.
            *self._candidates.turns_after(rows, compare_and_swap.took(ids, change_id)),
        ]


def _candidates(connection: Connection, request: ClaimRequest) -> Candidates:
    kind = Candidates
    if request.order.is_fair:
        from app.queue.fair_turns import FairCandidates  # loaded when needed

        kind = FairCandidates
    return kind(connection, request.types, request.order, further=request.limit + SPREAD)


def _spread(limit: int) -> int:
    """How many more tasks than it wants a claimer that has rivals chooses from."""
    return max(SPREAD, SPREAD_OF_BATCH * limit)


def _random_choice(rows: list[Row], count: int) -> list[Row]:
    """``count`` of ``rows``, or all, each as likely as any other, in their order."""
    positions = list(range(len(rows)))
    positions.sort(key=lambda _: os.urandom(4))
    return [rows[each] for each in sorted(positions[:count])]
