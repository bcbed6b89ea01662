"""The server away for a while in the middle of a run: nothing lost, nothing settled twice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_proxy import HttpProxy, ProxiedCall
from tests.support.net import wait_until
from tests.support.server import Server
from tests.worker.support import SECONDS, Queue, Workers
from tests.worker_faults.claim_history import claims_of
from tests.worker_faults.journal import Journal, install_handlers

QUICK = (
    *("--batch", "3", "--concurrency", "2", "--max-errors", "20"),
    *("--poll-interval", "0.1", "--max-poll-interval", "0.2"),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to be stopped."""
    with Server({"DATABASE_URL": f"sqlite:///{tmp_path / 'queue.sqlite3'}"}) as running:
        yield running


def fill(
    queue: Queue, workers: Workers, count: int, lease: float = 60, seconds: float = 0.05
) -> list[int]:
    install_handlers("outages", workers.folder)
    queue.register("chaos.work", timeout=lease, max_attempts=10)
    return [queue.create("chaos.work", {"seconds": seconds}) for _ in range(count)]


def check_histories(queue: Queue, journal: Journal, ids: list[int]) -> None:
    """Every task is completed, once, by a run that took place; runs beyond that were paid for
    with a lease.
    """
    begun = [note.lease_ref for note in journal.notes("begun")]
    ended = [note.lease_ref for note in journal.notes("ended")]
    assert len(begun) == len(set(begun))
    for task_id in ids:
        held = claims_of(queue.server, task_id)
        assert [claim.ended for claim in held].count("completed") == 1, held
        assert held[-1].ended == "completed", held
        assert {claim.ended for claim in held[:-1]} <= {"expired"}, held
        assert held[-1].lease_ref in ended, held
        assert queue.task(task_id)["result"] == task_id * 10
    assert {run[0] for run in begun} == set(ids)


def wait_for_end(worker: subprocess.Popen[str]) -> tuple[int, str]:
    out, errors = worker.communicate(timeout=2 * SECONDS)
    return worker.returncode, out + errors


def lines_with(workers: Workers, text: str) -> int:
    log = workers.folder / "worker.log"
    return log.read_text("utf-8").count(text) if log.exists() else 0


def test_a_server_that_is_stopped_and_started(
    queue: Queue, workers: Workers, journal: Journal
) -> None:
    ids = fill(queue, workers, 40)
    log = ("--log-file", "worker.log")
    worker = workers.start(*QUICK, *log, "--max-runs", "40")
    wait_until(lambda: len(journal.ids("ended")) >= 10, SECONDS, "some tasks to be done")
    queue.server.stop()
    refused = "Connection refused; trying again"
    wait_until(lambda: lines_with(workers, refused) >= 2, SECONDS, "the worker to be refused")
    queue.server.start()
    code, output = wait_for_end(worker)
    assert code == 0, output
    check_histories(queue, journal, ids)
    # With leases longer than the outage, nothing has run twice.
    assert sorted(journal.ids("ended")) == ids


def test_a_server_that_is_killed_and_comes_back_after_the_leases(
    queue: Queue, workers: Workers, journal: Journal
) -> None:
    ids = fill(queue, workers, 30, lease=2)
    worker = workers.start(*QUICK, "--log-file", "worker.log", "--until-empty")
    wait_until(lambda: len(journal.ids("ended")) >= 10, SECONDS, "some tasks to be done")
    queue.server.kill()
    wait_until(
        lambda: lines_with(workers, "Connection refused; trying again") >= 2,
        SECONDS,
        "the worker to be refused",
    )
    time.sleep(2)
    queue.server.start()
    code, output = wait_for_end(worker)
    assert code == 0, output
    # A worker that finds nothing to claim may leave before the last lease of a lost claim ends.
    wait_until(lambda: done_or_due(queue, ids), SECONDS, "the last leases to end")
    assert workers.run(*QUICK, "--until-empty")[0] == 0
    check_histories(queue, journal, ids)


def done_or_due(queue: Queue, ids: list[int]) -> bool:
    queue.server.call("POST", "/tasks/claim", {"worker_id": "nobody", "task_types": ["none"]})
    return not [each for each in queue.statuses(ids) if each == "claimed"]


@pytest.mark.parametrize("fault", ["page", "refuse", "drop", "hang"])
def test_every_call_goes_wrong_for_a_while(
    queue: Queue, workers: Workers, journal: Journal, fault: str
) -> None:
    ids = fill(queue, workers, 24, lease=4)
    with HttpProxy(queue.url) as proxy:

        def trouble(_proxy: HttpProxy, call: ProxiedCall) -> str:
            faulty = len(journal.ids("ended")) >= 6 and len(proxy.faults) < 3
            return fault if faulty else "pass"

        proxy.fault = trouble
        options = (*QUICK, "--api-timeout", "1", "--max-runs", "24")
        code, output = workers.run(*options, url=proxy.url)
        assert proxy.faults == [fault] * 3
    assert code == 0, output
    check_histories(queue, journal, ids)


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_reports_whose_answers_are_lost_are_not_taken_twice(
    queue: Queue, workers: Workers, journal: Journal, fault: str
) -> None:
    ids = fill(queue, workers, 12)
    with HttpProxy(queue.url) as proxy:
        # Every second report, without the claims that come with it: those would be lost too.
        reports: list[ProxiedCall] = []

        def trouble(_proxy: HttpProxy, call: ProxiedCall) -> str:
            if not call.outcomes or call.claims:
                return "pass"
            reports.append(call)
            return fault if len(reports) % 2 else "pass"

        proxy.fault = trouble
        options = ("--batch", "1", "--max-runs", "1", "--api-timeout", "1")
        for _ in ids:
            code, output = workers.run(*options, "--poll-interval", "0.1", url=proxy.url)
            assert code == 0, output
            if len(proxy.faults) >= 3:
                break
        assert proxy.faults == [fault] * 3
        repeated = [call.settled for call in reports]
        assert repeated[0] == repeated[1] != []
    done = [task_id for task_id in ids if queue.task(task_id)["status"] == "completed"]
    check_histories(queue, journal, done)
    assert sorted(journal.ids("ended")) == done
    assert len(done) == 3


def test_an_outage_that_is_too_long_ends_with_1_and_the_next_worker_finishes(
    queue: Queue, workers: Workers, journal: Journal
) -> None:
    ids = fill(queue, workers, 30, lease=3)
    options = ("--batch", "4", "--poll-interval", "0.1", "--until-empty")
    worker = workers.start(*options, "--max-errors", "2")
    wait_until(lambda: len(journal.ids("ended")) >= 6, SECONDS, "some tasks to be done")
    queue.server.kill()
    code, output = wait_for_end(worker)
    assert code == 1
    assert "cannot be reached: Connection refused" in output
    assert "Traceback" not in output
    unreported = len(journal.ids("ended"))
    queue.server.start()
    wait_until(lambda: done_or_due(queue, ids), SECONDS, "the leases of the first to end")
    code, output = workers.run(*options)
    assert code == 0, output
    check_histories(queue, journal, ids)
    assert 30 <= len(journal.ids("ended")) <= 30 + unreported


def test_thirty_seconds_of_all_kinds_of_trouble(
    queue: Queue, workers: Workers, journal: Journal
) -> None:
    """Ten seconds stopped, ten of 502 pages, ten of answers that never come."""
    ids = fill(queue, workers, 60, lease=8)
    with HttpProxy(queue.url) as proxy:
        options = (*QUICK, "--api-timeout", "2", "--until-empty")
        worker = workers.start(*options, url=proxy.url)
        wait_until(lambda: len(journal.ids("ended")) >= 10, SECONDS, "some tasks to be done")
        began = time.monotonic()
        queue.server.stop()
        wait_until(lambda: time.monotonic() > began + 10, SECONDS, "ten seconds")
        proxy.fault = lambda _proxy, _call: "page"
        queue.server.start()
        wait_until(lambda: time.monotonic() > began + 20, SECONDS, "ten seconds")
        proxy.fault = lambda _proxy, _call: "hang"
        wait_until(lambda: time.monotonic() > began + 30, SECONDS, "ten seconds")
        proxy.fault = lambda _proxy, _call: "pass"
        code, output = wait_for_end(worker)
        assert {"page", "hang"} <= set(proxy.faults)
    assert code == 0, output
    assert "something that is not TaskManager's JSON" in output
    assert "no answer in time" in output
    wait_until(lambda: done_or_due(queue, ids), SECONDS, "the last leases to end")
    assert workers.run(*QUICK, "--until-empty")[0] == 0
    check_histories(queue, journal, ids)
