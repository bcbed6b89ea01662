"""SIGTERM while eight tasks run: what ends in time is reported, the rest is given back."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.net import wait_until
from tests.worker.support import SECONDS, Queue, Workers
from tests.worker_faults.claim_history import claims_of
from tests.worker_faults.journal import Journal, install_handlers

AT_ONCE = 8
SHUTDOWN = 4  # seconds

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def start_eight(
    queue: Queue, workers: Workers, journal: Journal, in_time: int, *options: str
) -> tuple[list[int], subprocess.Popen[str]]:
    """A worker in the middle of eight tasks, with four more behind them. As many of the eight as
    `in_time` says end when the file "open" is there.
    """
    install_handlers("gates", workers.folder)
    queue.register("chaos.gate", timeout=60, max_attempts=1)
    gates = ["open"] * in_time + ["never"] * (AT_ONCE - in_time + 4)
    ids = [queue.create("chaos.gate", {"gate": gate}) for gate in gates]
    worker = workers.start(
        *("--concurrency", str(AT_ONCE), "--batch", "12", "--shutdown-timeout", str(SHUTDOWN)),
        *options,
    )
    wait_until(lambda: len(journal.ids("begun")) == AT_ONCE, SECONDS, "eight tasks to begin")
    return ids, worker


def end_by_sigterm(worker: subprocess.Popen[str], workers: Workers) -> tuple[int, str, float]:
    """Exit code, output, and how many seconds the end took."""
    since = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.stderr is not None
    seen = ""
    while "stopping when" not in seen:
        line = worker.stderr.readline()
        assert line, seen
        seen += line
    (workers.folder / "open").touch()
    out, errors = worker.communicate(timeout=SECONDS)
    return worker.returncode, seen + out + errors, time.monotonic() - since


def check_ended(journal: Journal) -> None:
    """No process of a handler outlives its worker."""
    pids = {note.pid for note in journal.notes("begun")}
    wait_until(lambda: not any(map(is_alive, pids)), SECONDS, "the handlers' processes to end")


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("in_time", "options"),
    [(8, ()), (4, ("--max-time", "600")), (0, ()), (4, ("--processes",))],
    ids=["all", "half", "none", "half, processes"],
)
def test_done_is_reported_and_the_rest_released(
    queue: Queue, workers: Workers, journal: Journal, in_time: int, options: tuple[str, ...]
) -> None:
    ids, worker = start_eight(queue, workers, journal, in_time, *options)
    code, output, seconds = end_by_sigterm(worker, workers)

    assert code == 0, output
    assert seconds < SHUTDOWN + 20
    assert f"completed {in_time}, failed 0, released {12 - in_time}, lost 0" in output
    check_ended(journal)
    done, rest = ids[:in_time], ids[in_time:]
    assert queue.statuses(done) == ["completed"] * len(done)
    assert [queue.task(each)["result"] for each in done] == ["open"] * len(done)
    assert sorted(journal.ids("ended")) == done
    for task_id in rest:
        task = queue.task(task_id)
        assert (task["status"], task["claimed_by"]) == ("pending", None)
        assert queue.attempts_left(task_id) == 1
        assert [claim.ended for claim in claims_of(queue.server, task_id)] == ["released"]

    (workers.folder / "never").touch()
    code, output = workers.run("--until-empty", "--concurrency", str(AT_ONCE))
    assert code == 0, output
    assert queue.statuses(ids) == ["completed"] * 12
    # The released attempts did not count: the type allows only one.
    assert {queue.attempts_left(task_id) for task_id in ids} == {0}
    assert sorted(journal.ids("ended")) == ids


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["threads", "processes"])
def test_leases_are_kept_while_the_worker_waits_for_the_last(
    queue: Queue, workers: Workers, journal: Journal, options: tuple[str, ...]
) -> None:
    install_handlers("gates", workers.folder)
    queue.register("chaos.gate", timeout=2.5, max_attempts=1)
    ids = [queue.create("chaos.gate", {"gate": "open"}) for _ in range(2)]
    worker = workers.start("--concurrency", "2", "--shutdown-timeout", "60", *options)
    wait_until(lambda: len(journal.ids("begun")) == 2, SECONDS, "two tasks to begin")
    worker.send_signal(signal.SIGTERM)
    time.sleep(4)  # longer than a lease
    status, response = queue.server.call("POST", "/tasks/claim", {"worker_id": "rival"})
    assert (status, response["code"]) == (404, "no_tasks")
    (workers.folder / "open").touch()
    assert worker.wait(SECONDS) == 0
    assert queue.statuses(ids) == ["completed"] * 2
