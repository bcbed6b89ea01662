"""SIGKILL of workers in each of their states: the server's histories and the handlers' own notes
agree, nothing is lost, and what was reported is never run again.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_proxy import HttpProxy
from tests.support.net import until, wait_until
from tests.worker.support import Queue
from tests.worker_faults.claim_history import PastClaim, claims_of
from tests.worker_faults.fleet import Fleet
from tests.worker_faults.journal import Journal, Note, install_handlers
from tests.worker_faults.states import IDLE, STARTING

LEASE = 1.5  # seconds
HITS = 3  # kills in each state before a test believes that it has shown something
FLEET_SIZE = 3
ANY = "any"
AHEAD = 12  # tasks that wait or are worked at, so that there is something to kill
CHAOS_SECONDS = 180
END_SECONDS = 90
OPTIONS = (
    *("--concurrency", "2", "--batch", "4"),
    *("--poll-interval", "0.1", "--max-poll-interval", "0.2"),
)

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def proxy(queue: Queue) -> Iterator[HttpProxy]:
    with HttpProxy(queue.url) as proxy:
        yield proxy


@pytest.fixture
def fleet(queue: Queue, proxy: HttpProxy, journal: Journal, tmp_path: Path) -> Iterator[Fleet]:
    install_handlers("killed", tmp_path)
    queue.register("chaos.work", timeout=LEASE, max_attempts=100)
    fleet = Fleet(tmp_path, proxy, queue.key, journal)
    yield fleet
    fleet.end()


def test_killed_in_each_state(
    queue: Queue, fleet: Fleet, proxy: HttpProxy, journal: Journal
) -> None:
    created: list[int] = []
    for _ in until(
        lambda: min(fleet.hits().values()) >= HITS, CHAOS_SECONDS, "a kill in each state"
    ):
        fleet.forget_ended()
        while len(fleet.workers) < FLEET_SIZE:
            fleet.start(*OPTIONS)
        target = next_target(fleet)
        # Only a queue that runs dry makes workers idle.
        if target != IDLE:
            created += feed(queue, AHEAD - len(set(created) - completed(proxy)))
        fleet.kill(fleet.catch(target, random.random() if target == ANY else 3.0))
    while len(fleet.workers) < FLEET_SIZE:
        fleet.start(*OPTIONS)
    wait_until(
        lambda: set(created) <= completed(proxy) and not unfinished(queue),
        END_SECONDS,
        "all tasks to be completed",
    )
    fleet.stop()

    histories = {task_id: claims_of(queue.server, task_id) for task_id in created}
    notes = journal.notes()
    check_each_task(queue, histories, notes)
    check_reports(histories, proxy, notes)
    check_unreported(histories, fleet, notes)


def next_target(fleet: Fleet) -> str:
    """A state that was hit least, starting last since each round has it; or now and then none:
    any worker, whatever it does.
    """
    if random.random() < 0.2:
        return ANY
    hits = fleet.hits()
    least = [state for state in hits if hits[state] == min(hits.values())]
    return random.choice([state for state in least if state != STARTING] or least)


def feed(queue: Queue, count: int) -> list[int]:
    tasks = [
        {"type": "chaos.work", "params": {"seconds": random.uniform(0, 0.3)}, "dedupe": False}
        for _ in range(count)
    ]
    if not tasks:
        return []
    status, response = queue.server.call("POST", "/tasks", {"tasks": tasks})
    assert status == 201, response
    return [task["id"] for task in response["data"]["tasks"]]


def completed(proxy: HttpProxy) -> set[int]:
    """Tasks that the server has said are completed, whether or not the worker lived to hear it."""
    settled = [each for call in proxy.calls() for each in call.settled]
    return {each["id"] for each in settled if each.get("status") == "completed"}


def unfinished(queue: Queue) -> bool:
    found = [
        queue.server.call("GET", f"/tasks?status={status}")[1]["data"]["tasks"]
        for status in ("pending", "claimed")
    ]
    return any(found)


def check_each_task(queue: Queue, histories: dict[int, list[PastClaim]], notes: list[Note]) -> None:
    """One completion, at the end, of a run that the handler itself has noted; each run at most
    once for each time that the task was held; none lost before its lease was over.
    """
    begun = [note.lease_ref for note in notes if note.event == "begun"]
    tokens = {note.lease_ref: note.token for note in notes if note.event == "ended"}
    for task_id, held in histories.items():
        assert [claim.ended for claim in held].count("completed") == 1, held
        assert held[-1].ended == "completed", held
        assert queue.task(task_id)["result"] == tokens[held[-1].lease_ref], held
        assert {claim.ended for claim in held} <= {"completed", "expired", "released"}, held
        for claim in held:
            if claim.ended == "expired":
                assert claim.seconds >= LEASE, claim
            assert claim.ended != "released" or claim.lease_ref not in begun, claim
    known = [claim.lease_ref for held in histories.values() for claim in held]
    assert len(begun) == len(set(begun))
    assert set(begun) <= set(known)


def check_reports(
    histories: dict[int, list[PastClaim]], proxy: HttpProxy, notes: list[Note]
) -> None:
    """What was acknowledged is as it was reported, and never begun again."""
    last_begun: dict[int, float] = {note.id: note.at for note in notes if note.event == "begun"}
    acknowledged = 0
    for call in proxy.calls():
        attempts = {each["id"]: each["attempt"] for each in call.outcomes}
        for each in call.settled:
            if each.get("status") == "completed":
                acknowledged += 1
                run = (each["id"], attempts[each["id"]], call.worker)
                assert histories[each["id"]][-1].lease_ref == run, (call, histories[each["id"]])
                assert last_begun[each["id"]] < call.committed_at, call
    assert acknowledged >= len(histories)


def check_unreported(
    histories: dict[int, list[PastClaim]], fleet: Fleet, notes: list[Note]
) -> None:
    """What had ended in a worker that was killed before it could say so was run again."""
    runs = defaultdict(list)
    for note in notes:
        if note.event == "begun":
            runs[note.id].append(note)
    unreported = fleet.unreported()
    assert unreported
    for task_id, attempt, worker in unreported:
        claim = next(
            claim for claim in histories[task_id] if claim.lease_ref == (task_id, attempt, worker)
        )
        assert claim.ended == "expired", claim
        assert runs[task_id][-1].attempt > attempt, runs[task_id]
