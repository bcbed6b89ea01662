"""SIGKILL of workers in each of their states: the server's books and the handlers' own notes
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
from tests.worker_faults.camp import Camp
from tests.worker_faults.journal import NOTE, Journal, Note
from tests.worker_faults.ledger import Hold, holds
from tests.worker_faults.states import IDLE, STARTING

HANDLERS = (
    NOTE
    + """
@task("fire.work")
def work(params, job):
    note("begun", job)
    time.sleep(params["seconds"])
    token = uuid.uuid4().hex
    note("ended", job, token=token)
    return token
"""
)
LEASE = 1.5  # seconds
HITS = 3  # kills in each state before a test believes that it has shown something
HANDS = 3
ANY = "any"
AHEAD = 12  # tasks that wait or are worked at, so that there is something to kill
FIRE_SECONDS = 180
END_SECONDS = 90
OPTIONS = (
    *("--concurrency", "2", "--batch", "4"),
    *("--poll-interval", "0.1", "--max-poll-interval", "0.2"),
)

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def wire(queue: Queue) -> Iterator[HttpProxy]:
    with HttpProxy(queue.url) as wire:
        yield wire


@pytest.fixture
def camp(queue: Queue, wire: HttpProxy, journal: Journal, tmp_path: Path) -> Iterator[Camp]:
    (tmp_path / "handlers.py").write_text(HANDLERS, "utf-8")
    queue.register("fire.work", timeout=LEASE, max_attempts=100)
    camp = Camp(tmp_path, wire, queue.key, journal)
    yield camp
    camp.end()


def test_killed_in_each_state(queue: Queue, camp: Camp, wire: HttpProxy, journal: Journal) -> None:
    created: list[int] = []
    for _ in until(lambda: min(camp.hits().values()) >= HITS, FIRE_SECONDS, "a kill in each state"):
        camp.forget_ended()
        while len(camp.hands) < HANDS:
            camp.start(*OPTIONS)
        target = next_target(camp)
        # Only a queue that runs dry makes workers idle.
        if target != IDLE:
            created += feed(queue, AHEAD - len(set(created) - completed(wire)))
        camp.kill(camp.catch(target, random.random() if target == ANY else 3.0))
    while len(camp.hands) < HANDS:
        camp.start(*OPTIONS)
    wait_until(
        lambda: set(created) <= completed(wire) and not unfinished(queue),
        END_SECONDS,
        "all tasks to be completed",
    )
    camp.stop()

    books = {task_id: holds(queue.server, task_id) for task_id in created}
    notes = journal.notes()
    check_each_task(queue, books, notes)
    check_reports(books, wire, notes)
    check_unreported(books, camp, notes)


def next_target(camp: Camp) -> str:
    """A state that was hit least, starting last since each round has it; or now and then none:
    whoever it hits, whatever it does.
    """
    if random.random() < 0.2:
        return ANY
    hits = camp.hits()
    least = [state for state in hits if hits[state] == min(hits.values())]
    return random.choice([state for state in least if state != STARTING] or least)


def feed(queue: Queue, count: int) -> list[int]:
    tasks = [
        {"type": "fire.work", "params": {"seconds": random.uniform(0, 0.3)}, "dedupe": False}
        for _ in range(count)
    ]
    if not tasks:
        return []
    status, answer = queue.server.call("POST", "/tasks", {"tasks": tasks})
    assert status == 201, answer
    return [task["id"] for task in answer["data"]["tasks"]]


def completed(wire: HttpProxy) -> set[int]:
    """Tasks that the server has said are completed, whether or not the worker lived to hear it."""
    settled = [each for call in wire.calls() for each in call.settled]
    return {each["id"] for each in settled if each.get("status") == "completed"}


def unfinished(queue: Queue) -> bool:
    found = [
        queue.server.call("GET", f"/tasks?status={status}")[1]["data"]["tasks"]
        for status in ("pending", "claimed")
    ]
    return any(found)


def check_each_task(queue: Queue, books: dict[int, list[Hold]], notes: list[Note]) -> None:
    """One completion, at the end, of a run that the handler itself has noted; each run at most
    once for each time that the task was held; none lost before its lease was over.
    """
    begun = [note.run for note in notes if note.event == "begun"]
    tokens = {note.run: note.token for note in notes if note.event == "ended"}
    for task_id, held in books.items():
        assert [hold.ended for hold in held].count("completed") == 1, held
        assert held[-1].ended == "completed", held
        assert queue.task(task_id)["result"] == tokens[held[-1].run], held
        assert {hold.ended for hold in held} <= {"completed", "expired", "released"}, held
        for hold in held:
            if hold.ended == "expired":
                assert hold.seconds >= LEASE, hold
            assert hold.ended != "released" or hold.run not in begun, hold
    known = [hold.run for held in books.values() for hold in held]
    assert len(begun) == len(set(begun))
    assert set(begun) <= set(known)


def check_reports(books: dict[int, list[Hold]], wire: HttpProxy, notes: list[Note]) -> None:
    """What was acknowledged is as it was reported, and never begun again."""
    last_begun: dict[int, float] = {note.id: note.at for note in notes if note.event == "begun"}
    acknowledged = 0
    for call in wire.calls():
        attempts = {each["id"]: each["attempt"] for each in call.outcomes}
        for each in call.settled:
            if each.get("status") == "completed":
                acknowledged += 1
                run = (each["id"], attempts[each["id"]], call.worker)
                assert books[each["id"]][-1].run == run, (call, books[each["id"]])
                assert last_begun[each["id"]] < call.committed_at, call
    assert acknowledged >= len(books)


def check_unreported(books: dict[int, list[Hold]], camp: Camp, notes: list[Note]) -> None:
    """What had ended in a worker that was killed before it could say so was run again."""
    runs = defaultdict(list)
    for note in notes:
        if note.event == "begun":
            runs[note.id].append(note)
    unreported = camp.unreported()
    assert unreported
    for task_id, attempt, worker in unreported:
        hold = next(hold for hold in books[task_id] if hold.run == (task_id, attempt, worker))
        assert hold.ended == "expired", hold
        assert runs[task_id][-1].attempt > attempt, runs[task_id]
