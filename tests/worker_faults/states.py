"""What a worker was doing at some moment, told from its calls and from its handlers' notes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.http_proxy import NEVER, ON_THE_WAY_BACK, ON_THE_WAY_THERE, ProxiedCall
from tests.worker_faults.journal import Note

STARTING, IDLE, STOPPING = "starting", "idle", "stopping"
HOLDING, FINISHED = "queued tasks held", "finished but unreported"
RUNNING = {False: "running in threads", True: "running in processes"}
CLAIMING, REPORTING = "claiming", "reporting"
STATES = (
    *(STARTING, HOLDING, *RUNNING.values(), FINISHED, IDLE, STOPPING),
    *(
        f"{kind}, {way}"
        for kind in (CLAIMING, REPORTING)
        for way in (ON_THE_WAY_THERE, ON_THE_WAY_BACK)
    ),
)

Run = tuple[int, int]
"""Task and attempt, of one worker."""


def under_way(call: ProxiedCall, way: str) -> set[str]:
    """The states of a worker with this call on this way."""
    claiming = {f"{CLAIMING}, {way}"} if call.claims else set()
    return claiming | ({f"{REPORTING}, {way}"} if call.outcomes else set())


class StateSnapshot:
    """One worker, all the time from `since` to `until` (of time.monotonic(), in seconds).

    A state that began or ended between the two does not count.
    """

    def __init__(
        self, calls: Sequence[ProxiedCall], notes: Sequence[Note], since: float, until: float
    ) -> None:
        self._calls, self._since, self._until = calls, since, until
        self._begun = {(note.id, note.attempt): note.at for note in notes if note.event == "begun"}
        self._ended = {(note.id, note.attempt): note.at for note in notes if note.event == "ended"}
        self._unsettled = self._find_unsettled()

    def states(self, in_processes: bool, stopping: bool) -> set[str]:
        """The worker may be in several at once."""
        found = self._under_way() | self._at_work(RUNNING[in_processes])
        if stopping:
            found.add(STOPPING)
        elif not any(call.claims for call in self._calls):
            found.add(STARTING)
        elif not found and self._came_empty():
            found.add(IDLE)
        return found

    def unreported(self) -> set[Run]:
        """Runs that had ended, and of which the worker has never sent a report."""
        return {run for run in self._unsettled if self._ended.get(run, NEVER) < self._since}

    def _under_way(self) -> set[str]:
        stages = [(call, call.stage(self._since, self._until)) for call in self._calls]
        return {state for call, stage in stages if stage for state in under_way(call, stage)}

    def _at_work(self, running: str) -> set[str]:
        found = {FINISHED} if self.unreported() else set()
        for run in self._unsettled:
            begun, ended = self._begun.get(run, NEVER), self._ended.get(run, NEVER)
            if begun > self._until:
                found.add(HOLDING)
            elif begun < self._since and ended > self._until:
                found.add(running)
        return found

    def _came_empty(self) -> bool:
        last = [call for call in self._calls if call.claims][-1]
        return last.responded_at < self._since and not last.tasks and not self._unsettled

    def _find_unsettled(self) -> set[Run]:
        given = {
            (task["id"], task["attempts"])
            for call in self._calls
            if call.responded_at < self._since
            for task in call.tasks
        }
        sent = {(each["id"], each["attempt"]) for call in self._calls for each in call.outcomes}
        return given - sent - {run for call in self._calls for run in call.lost}
